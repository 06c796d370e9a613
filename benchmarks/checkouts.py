"""Other revisions of this project, taken from its Git history into temporary folders."""

import contextlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==[^\s;#]+")


@dataclass(frozen=True)
class Checkout:
    """The files of one revision. `extra_packages` has what it needs and the virtual environment lacks."""

    name: str
    path: Path
    extra_packages: Path | None = None


THIS = Checkout("this", PROJECT)


def find_commit(revision: str) -> str:
    """Return the short hash of a revision, or end the program with a sentence when there is no such commit."""
    argv = ["git", "rev-parse", "--short", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    try:
        answer = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit("The benchmark needs git to measure another revision.")
    if answer.returncode:
        sys.exit(f"Git has no revision {revision!r} here: the benchmark needs a clone with its whole history.")
    return answer.stdout.strip()


@contextlib.contextmanager
def checked_out(commit: str) -> Iterator[Checkout]:
    """Yield the files of a commit, in a folder that is removed at the end.

    The revision runs in this virtual environment, with the versions that are installed. Packages that it requires and
    that are not installed go into a folder beside it.
    """
    with tempfile.TemporaryDirectory(prefix="flashsale-revision-") as folder:
        path, extra = Path(folder, "checkout"), Path(folder, "packages")
        argv = ["git", "archive", commit]
        archive = subprocess.run(argv, cwd=PROJECT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(path, filter="data")
        missing = missing_packages((path / "requirements.txt").read_text())
        if missing:
            print(f"{commit} also needs {', '.join(missing)}", file=sys.stderr)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, "--target", str(extra), *missing], check=True)
        yield Checkout(commit, path, extra if missing else None)


def missing_packages(requirements: str) -> list[str]:
    """Return the pinned requirements whose packages are not installed, in any version."""
    pinned = (REQUIREMENT.match(line) for line in requirements.splitlines())
    return [match.group() for match in pinned if match and not _is_installed(match["name"])]


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
