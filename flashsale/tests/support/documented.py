"""Examples in documents, as files and commands that a test runs as they stand."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"(?:#|//) (\w+\.\w+)\n")


def blocks(document: str, language: str) -> list[str]:
    """Return the blocks of code of a document in `docs` that are in this language."""
    found = _BLOCK.findall((PROJECT / "docs" / document).read_text())
    return [code for name, code in found if name == language]


def write_files(document: str, languages: list[str], folder: Path) -> None:
    """Write each block whose first line is a comment with a file's name as that file."""
    for language in languages:
        for code in blocks(document, language):
            if name := _NAME.match(code):
                (folder / name[1]).write_text(code)


def run_shell(commands: str, *, functions: str, environment: dict[str, str], cwd: Path) -> str:
    """Run documented commands with bash after these functions; return what they print, and fail where one does."""
    tool("curl")
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{functions}\n{commands}"],
        env={"PATH": os.environ["PATH"]} | environment, cwd=cwd,
        text=True, capture_output=True, check=False, timeout=WAIT_SECONDS,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def npm_packages(name: str) -> str:
    """Return the folder with an npm package, beside npm's programs; without it skip the test, which fails in CI."""
    for folder in os.environ["PATH"].split(os.pathsep):
        packages = Path(folder).parent
        if packages.name == "node_modules" and (packages / name).is_dir():
            return str(packages)
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the npm package {name} is not installed")
