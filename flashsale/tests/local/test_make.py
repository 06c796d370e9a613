"""`make run` from a bare checkout: an interrupted installation is repeated."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, inherited, wait_until

# Stands for Python: notes what it was asked for, makes an "environment" of itself, and does not end where it shall not.
PYTHON = """#!/bin/sh
echo "$*" >> "$CHECKOUT/asked"
case "$*" in
    "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
case "$*" in
    *"$HANGS_AT"*) test -e "$CHECKOUT/hangs" && exec sleep 1000 ;;
    *"$FAILS_AT"*) exit 1 ;;
esac
exit 0
"""


class Checkout:
    """A folder with this project's Makefile, and a Python that hangs or fails at what it is told."""

    def __init__(self, folder: Path, *, hangs_at: str = "never", fails_at: str = "never") -> None:
        self.folder = folder
        for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
            shutil.copy(PROJECT / name, folder)
        python = folder / "python"
        python.write_text(PYTHON)
        python.chmod(0o755)
        (folder / "hangs").touch()
        self.environment = inherited() | {
            "PATH": os.environ["PATH"], "CHECKOUT": str(folder), "HANGS_AT": hangs_at, "FAILS_AT": fails_at,
        }  # fmt: skip

    def make(self, *arguments: str) -> subprocess.Popen:
        argv = ["make", *arguments, f"PYTHON={self.folder}/python"]
        return subprocess.Popen(argv, cwd=self.folder, env=self.environment, start_new_session=True)

    def asked(self) -> list[str]:
        log = self.folder / "asked"
        return log.read_text().splitlines() if log.exists() else []

    def times(self, words: str) -> int:
        return len([line for line in self.asked() if words in line])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("phase", ["-m venv", "-m pip install"])
def test_an_interrupted_installation_starts_again(tmp_path, phase, number):
    checkout = Checkout(tmp_path, hangs_at=phase)
    first = checkout.make("run")
    wait_until(lambda: checkout.times(phase) == 1, what=f"{phase} has begun")

    # The terminal sends it to the whole foreground group.
    os.killpg(first.pid, number)
    assert first.wait(WAIT_SECONDS) != 0
    (tmp_path / "hangs").unlink()

    assert checkout.make("run").wait(WAIT_SECONDS) == 0
    assert (checkout.times("-m venv"), checkout.asked()[-1]) == (2, "manage.py up")
    assert not (tmp_path / ".venv" / ".unfinished").exists()


def test_a_complete_installation_is_used_again(tmp_path):
    checkout = Checkout(tmp_path)

    codes = [checkout.make("run").wait(WAIT_SECONDS) for _ in range(2)]

    assert codes == [0, 0]
    assert [checkout.times(words) for words in ("-m venv", "-m pip install", "manage.py up")] == [1, 1, 2]


def test_a_failed_pip_install_keeps_the_environment(tmp_path):
    checkout = Checkout(tmp_path, fails_at="-m pip install")

    codes = [checkout.make("run").wait(WAIT_SECONDS) for _ in range(2)]

    assert 0 not in codes
    assert [checkout.times(words) for words in ("-m venv", "-m pip install", "manage.py up")] == [1, 2, 0]
