"""Real processes for tests: started, awaited, and stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from flashsale.local.child_process import child_setup

PROJECT = Path(__file__).resolve().parents[3]
# How long a test waits for a condition: reached only in a failure, however busy the machine is.
WAIT_SECONDS = 180
# Environment variables that name a process's test run and test (see `flashsale.tests.support.leftovers`).
RUN, TEST = "FLASHSALE_TEST_RUN", "PYTEST_CURRENT_TEST"


def wait_until(condition: Callable[[], object], *, seconds: float = WAIT_SECONDS, what: str = "") -> None:
    """Poll until the condition holds; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.05)


def inherited() -> dict[str, str]:
    """Return the variables that every program of a test gets."""
    return {name: os.environ[name] for name in (RUN, TEST) if name in os.environ}


def start(*argv: str, environment: dict[str, str], cwd: Path = PROJECT, **kwargs) -> subprocess.Popen:
    """Start a program with this environment; it dies with this process."""
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=environment | inherited(),
        text=True,
        start_new_session=True,
        preexec_fn=child_setup(signal.SIGTERM),  # noqa: PLW1509 - the tests' main thread
        **kwargs,
    )


def stop(*programs: subprocess.Popen, seconds: float = WAIT_SECONDS) -> list[int]:
    """Ask programs that `start` started to stop, and return their exit codes. No process of theirs survives it."""
    for program in programs:
        program.terminate()
    try:
        return [program.wait(seconds) for program in programs]
    finally:
        for program in programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def processes_naming(text: str, *, within: str = "cmdline") -> list[int]:
    """Return the ids of living processes with the text in their command line (or `within="environ"`)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (entry / within).read_bytes():
                    found.append(int(entry.name))
    return found


def held_signals(pid: int) -> set[signal.Signals]:
    """Return the signals that a living process has blocked or handles itself."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = 0
    for line in lines:
        if line.startswith(("SigBlk:", "SigCgt:")):
            mask |= int(line.split()[1], 16)
    return {number for number in signal.Signals if mask >> (number - 1) & 1}


def free_port() -> int:
    """Return a TCP port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parent_of(pid: int) -> int:
    """Return the id of a process's parent; 0 when the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and parent_of(int(name)) == pid]
