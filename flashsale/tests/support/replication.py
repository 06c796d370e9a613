"""A real primary and its standby, copied from the tests' server: they have its tables."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from flashsale.local.child_process import child_setup
from flashsale.local.supervisor import _account, find_postgres
from flashsale.tests.support.processes import WAIT_SECONDS, free_port, wait_until

STANDBY = "standby"
SETTINGS = {"listen_addresses": "127.0.0.1", "max_connections": 200, "wal_log_hints": "on", "hot_standby": "on"}


class Node:
    """One PostgreSQL server, which may be started again in another role."""

    def __init__(self, folder: Path, name: str) -> None:
        self.data = folder / name
        self.port = free_port()
        self._log = folder / f"{name}.log"
        self._account = _account()
        self._process: subprocess.Popen | None = None

    def copy_from(self, **source: Any) -> None:
        """Fill the data folder with a copy of a running server's."""
        where = ["-h", str(source["host"]), "-p", str(source["port"]), "-U", source["user"]]
        self._run("pg_basebackup", *where, "-D", str(self.data), "--checkpoint=fast", "--no-sync")
        (self.data / "pg_hba.conf").write_text("local all all trust\nhost all,replication all 127.0.0.1/32 trust\n")

    def follow(self, primary: "Node") -> None:
        """Be a standby of another node from the next start on."""
        (self.data / "standby.signal").touch()
        self._own(self.data / "standby.signal")
        user = connection.settings_dict["USER"]
        address = f"host=127.0.0.1 port={primary.port} user={user} application_name={STANDBY}"
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{address}'\nrecovery_target_timeline = 'latest'\n")

    def start(self) -> "Node":
        """Start it unless it runs; returns when it answers."""
        if self._process is not None:
            return self
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        argv = [str(find_postgres("postgres")), "-D", str(self.data), "-p", str(self.port), "-k", str(self.data.parent)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*argv, *options], stdout=log, stderr=log, preexec_fn=self._as_owner())  # noqa: PLW1509
        wait_until(self._answers, what=f"PostgreSQL answers; see {self._log}")
        return self

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it with PostgreSQL's "fast" shutdown, or at once (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(WAIT_SECONDS)
            self._process = None

    def promote(self) -> None:
        """Make the standby the primary; returns when it takes writes."""
        self.sql("SELECT pg_promote(true, 60)")

    def sql(self, *statements: str) -> Any:
        """Run statements outside transactions; returns the first column of the last one's first row."""
        with self.connect() as opened:
            for statement in statements:
                cursor = opened.execute(statement)
            row = cursor.fetchone() if cursor.description else None
        return row and row[0]

    def connect(self, **options: Any) -> psycopg.Connection:
        """Return a connection outside Django, without timeouts; its COMMITs wait for no standby."""
        return psycopg.connect(self.conninfo, options="-c synchronous_commit=local", autocommit=True, **options)

    @property
    def conninfo(self) -> str:
        """What psycopg needs to connect."""
        database = connection.settings_dict
        return f"host=127.0.0.1 port={self.port} user={database['USER']} dbname={database['NAME']}"

    @property
    def url(self) -> str:
        """What DATABASE_URL is for a shop on this server alone."""
        return url_of(self)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        with contextlib.suppress(psycopg.OperationalError):
            self.connect(connect_timeout=2).close()
            return True
        return False

    def _run(self, program: str, *args: str) -> None:
        argv = [str(find_postgres(program)), *args]
        subprocess.run(argv, check=True, capture_output=True, preexec_fn=self._as_owner())

    def _own(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _as_owner(self):
        return child_setup(signal.SIGQUIT, account=self._account)


def url_of(*nodes: Node, options: str = "") -> str:
    """What DATABASE_URL is for a shop that may find its primary on each of these servers."""
    database = connection.settings_dict
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://{database['USER']}@{hosts}/{database['NAME']}{options}"


@contextlib.contextmanager
def replicated() -> Iterator[tuple[Node, Node]]:
    """Run a primary and its standby, to which it commits synchronously."""
    folder = Path(tempfile.mkdtemp(prefix="flashsale-pair-"))
    primary, standby = Node(folder, "first"), Node(folder, "second")
    try:
        if account := _account():
            os.chown(folder, account.pw_uid, account.pw_gid)
        database = connection.settings_dict
        primary.copy_from(host=database["HOST"], port=database["PORT"], user=database["USER"])
        primary.start()
        standby.copy_from(host="127.0.0.1", port=primary.port, user=database["USER"])
        standby.follow(primary)
        standby.start()
        synchronise(primary)
        yield primary, standby
    finally:
        standby.stop(signal.SIGQUIT)
        primary.stop(signal.SIGQUIT)
        shutil.rmtree(folder)


def synchronise(primary: Node) -> None:
    """Let COMMITs wait for the standby, which follows by then."""
    primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'", "SELECT pg_reload_conf()")
    follows = "SELECT sync_state FROM pg_stat_replication"
    wait_until(lambda: primary.sql(follows) == "sync", what="the standby follows")
