"""The processes of a local system: started, watched and stopped together."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flashsale.local import child_process
from flashsale.local.log_files import LogFile, LogPipes

STOP_SECONDS = 15
POLL_SECONDS = 0.1
LAST_LINES = 20


class LocalSystemError(Exception):
    """The system cannot go on; the message is shown to the user, `exit_code` is for the shell."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Program:
    """One process of the system: its name, its command line, and the signal it gets when its parent is killed.

    The others call one that `serves_others`: it is stopped after them.
    """

    name: str
    argv: Sequence[str]
    death_signal: signal.Signals = signal.SIGTERM
    serves_others: bool = False


class LocalSystem:
    """Running programs, each with a log file of its own below `logs_dir`."""

    def __init__(self, logs_dir: Path, *, cwd: Path) -> None:
        self._logs_dir = logs_dir
        self._cwd = cwd
        self._running: list[tuple[Program, subprocess.Popen]] = []
        self._pipes = LogPipes()

    def start(self, program: Program) -> None:
        """Start a program in a session of its own, so that Ctrl-C reaches only this process; it ends with this one."""
        self._logs_dir.mkdir(parents=True, exist_ok=True)
        log = LogFile(self.log_of(program))
        log.begin_anew()
        with self._pipes.writing_to(log) as output:
            process = subprocess.Popen(
                program.argv,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=child_process.child_setup(program.death_signal),  # noqa: PLW1509 - this process has one thread
            )
        self._running.append((program, process))

    def check(self) -> None:
        """Raise `LocalSystemError`, with exit code and last log lines, when a program has ended."""
        for program, process in self._running:
            code = process.poll()
            if code is not None:
                self._pipes.drain()
                log = self.log_of(program)
                cause = f"signal {-code}" if code < 0 else f"exit code {code}"
                message = f"{program.name} ended with {cause}. Its last lines ({log}):\n{tail(log)}"
                raise LocalSystemError(message, exit_code=128 - code if code < 0 else code or 1)

    def wait_until(self, is_ready: Callable[[], bool], *, seconds: float) -> bool:
        """Wait at most `seconds` until `is_ready()`; raises `LocalSystemError` when a program ends meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            if is_ready():
                return True
            self.write_logs(POLL_SECONDS)
        return False

    def write_logs(self, seconds: float) -> None:
        """Wait, and write meanwhile what the programs log: they stop when they have logged much and it is not read."""
        self._pipes.pump(seconds)

    def stop(self) -> None:
        """Stop the programs at once, each with all its children; those that serve others stop when these have ended."""
        for is_last in (False, True):
            self._stop([process for program, process in self._running if program.serves_others == is_last])
        self._running.clear()
        self._pipes.close()

    def _stop(self, processes: list[subprocess.Popen]) -> None:
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any([process.poll() is None for process in processes]) and time.monotonic() < deadline:
            self.write_logs(POLL_SECONDS)
        for process in processes:
            # Children that the program left behind in its session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log_of(self, program: Program) -> Path:
        """Return the program's log file."""
        return self._logs_dir / f"{program.name}.log"


def tail(log: Path) -> str:
    """Return the last lines of a log file, indented; nothing when there is no such file."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-LAST_LINES:])
