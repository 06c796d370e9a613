"""Embedded PostgreSQL and Valkey for local mode: installed from wheels, started for the first user process.

A *supervisor* process (`flashsale.local.supervisor`) runs both servers of one state folder and stops them after the
last user process has ended. The locks, all `flock`, are released by the kernel however a process ends:

- `users.lock`       shared by every user; the supervisor stops the servers when it gets the lock exclusively
- `start.lock`       held while a user is added, so that only one supervisor is started
- `supervisor.lock`  held by the living supervisor
- `servers.lock`     inherited by the servers: held until the last of their processes has ended

This module knows nothing of Django: the settings import it.
"""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from flashsale.core.commands.interrupts import interrupts

DATABASE = USER = "flashsale"
PG_PORT = "5432"
START_SECONDS = 60
STOP_SECONDS = 60
POLL_SECONDS = 0.05
PROJECT_DIR = Path(__file__).resolve().parents[2]


class EmbeddedError(Exception):
    """The embedded servers cannot be used; the message is for people."""


class Urls(NamedTuple):
    """The addresses of a state folder's servers, for Django, redis-py and Celery."""

    database: str
    redis: str
    broker: str


def socket_dir(state_dir: Path) -> Path:
    """Return the short private folder for the Unix sockets of a state folder; their paths may have 107 bytes."""
    digest = hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:12]
    return Path(f"/tmp/flashsale-{os.getuid()}-{digest}")  # noqa: S108 - owner and mode are checked by the supervisor


def urls(state_dir: Path) -> Urls:
    """Return the servers' addresses, whether they run or not."""
    folder = socket_dir(state_dir)
    return Urls(
        database=f"postgresql://{USER}@/{DATABASE}?host={quote(str(folder), safe='')}&port={PG_PORT}",
        redis=f"unix://{folder}/valkey.sock?db=0",
        broker=f"redis+socket://{folder}/valkey.sock?virtual_host=1",
    )


def database_settings(state_dir: Path) -> dict[str, str]:
    """Return the connection's part of Django's DATABASES entry."""
    return {"HOST": str(socket_dir(state_dir)), "PORT": PG_PORT, "NAME": DATABASE, "USER": USER, "PASSWORD": ""}


class Lease:
    """One user of a state folder's servers; they run at least until it is closed or its process ends."""

    def __init__(self, users_fd: int) -> None:
        self._users_fd = users_fd

    def close(self) -> None:
        """Stop being a user. Without users the supervisor stops the servers."""
        if self._users_fd >= 0:
            os.close(self._users_fd)
            self._users_fd = -1


def use(state_dir: Path, *, fast: bool = False) -> Lease:
    """Return a lease on ready servers, starting them if they do not run yet.

    `fast` starts PostgreSQL without durability (`fsync=off`), for tests. Raises `EmbeddedError`.
    """
    state_dir = state_dir.absolute()
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        with locked(state_dir / "start.lock"):
            users_fd = _lock_file(state_dir / "users.lock", fcntl.LOCK_SH, START_SECONDS)
            try:
                _make_ready(state_dir, fast=fast)
            except BaseException:
                os.close(users_fd)
                raise
    except OSError as error:
        raise EmbeddedError(f"The state folder {state_dir} cannot be used: {error.strerror or error}.") from error
    return Lease(users_fd)


def is_running(state_dir: Path) -> bool:
    """Say whether a living supervisor runs the servers of the state folder."""
    return is_locked(state_dir / "supervisor.lock")


def wait_until_stopped(state_dir: Path) -> None:
    """Wait until all server processes of the state folder have ended; raises `EmbeddedError` after `STOP_SECONDS`."""
    for name in ("supervisor.lock", "servers.lock"):
        with locked(state_dir / name, seconds=STOP_SECONDS):
            pass


def is_locked(path: Path) -> bool:
    """Say whether another process holds an exclusive lock on the file."""
    try:
        # Shared, so that two simultaneous probes do not block each other.
        os.close(_lock_file(path, fcntl.LOCK_SH, seconds=0))
    except EmbeddedError:
        return True
    return False


@contextlib.contextmanager
def locked(path: Path, *, seconds: float = START_SECONDS) -> Iterator[int]:
    """Hold an exclusive lock on the file, waiting at most `seconds`; gives its descriptor."""
    descriptor = _lock_file(path, fcntl.LOCK_EX, seconds)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock_file(path: Path, kind: int, seconds: float) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(descriptor, kind, path, seconds)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _wait_for_lock(descriptor: int, kind: int, path: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise EmbeddedError(f"{path} is still locked by another process after {seconds:g} s.") from None
            _pause()


def _pause() -> None:
    interrupts.check()
    time.sleep(POLL_SECONDS)


def _make_ready(state_dir: Path, *, fast: bool) -> None:
    """Wait until a living supervisor has ready servers; the caller holds the start lock and is a user."""
    with contextlib.ExitStack() as cleanup:
        deadline = time.monotonic() + START_SECONDS
        supervisor: subprocess.Popen | None = None
        while time.monotonic() < deadline:
            if _is_ready(state_dir):
                cleanup.pop_all()
                return
            if supervisor is None and not is_running(state_dir):
                supervisor = _start_supervisor(state_dir, fast=fast)
                cleanup.callback(_stop_supervisor, supervisor)
            elif supervisor is not None and supervisor.poll() is not None:
                raise EmbeddedError(_start_error(state_dir))
            _pause()
        log = state_dir / "supervisor.log"
        raise EmbeddedError(f"The embedded servers were not ready after {START_SECONDS} s; see {log}.")


def _is_ready(state_dir: Path) -> bool:
    return is_running(state_dir) and (state_dir / "ready").exists()


def _start_supervisor(state_dir: Path, *, fast: bool) -> subprocess.Popen:
    for name in ("ready", "supervisor.error"):
        (state_dir / name).unlink(missing_ok=True)
    argv = [sys.executable, "-m", "flashsale.local.supervisor", str(state_dir), *(["--fast"] if fast else [])]
    with (state_dir / "supervisor.log").open("wb") as log:
        # A session of its own: Ctrl-C in the terminal that started it must not stop servers that others use.
        return subprocess.Popen(
            argv, cwd=PROJECT_DIR, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _stop_supervisor(supervisor: subprocess.Popen) -> None:
    """Stop a supervisor whose start failed or was interrupted; under the start lock it has no other user."""
    supervisor.terminate()
    try:
        supervisor.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()


def _start_error(state_dir: Path) -> str:
    error = state_dir / "supervisor.error"
    if error.exists():
        return error.read_text()
    return f"The embedded servers could not be started; see {state_dir}/supervisor.log."
