"""A PostgreSQL server of the shop that a test may destroy, and the backup scripts of the deployment on it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from flashsale.local import servers
from flashsale.local.child_process import child_setup
from flashsale.local.supervisor import _account, find_postgres
from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, free_port, inherited, wait_until

BUY = """
import json, sys
from decimal import Decimal
from catalog import products
from catalog.models import Product
from checkout import holds, orders
from flashsale.outbox import numbering
from flashsale.outbox.models import Numbering
from payments import inbox
from payments.providers import PROVIDERS
product = Product.objects.first() or products.add(name="Widget", price=Decimal(10), currency="USD", stock=100)
sold = []
for _ in range(int(sys.argv[1])):
    order = orders.place(hold_id=holds.place(product_id=product.pk, quantity=2).pk)
    event = {"idempotency_key": f"evt-{order.pk}", "status": "success", "order_id": str(order.pk)}
    inbox.receive(PROVIDERS["standard"], body=json.dumps(event).encode(), headers={})
    sold.append(str(order.pk))
holds.place(product_id=product.pk, quantity=1)
numbering.number_all(batches=9)
print(json.dumps({"orders": sold, "last_event": Numbering.objects.get().last_sequence}))
"""


class Server:
    """A PostgreSQL with the shop's tables, and the programs of its package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.account = _account()
        self.socket_dir = servers.socket_dir(folder)
        self._elsewhere: dict[str, str] = {}

    def environment(self, *, database: str = "flashsale", port: str = servers.PG_PORT) -> dict[str, str]:
        """What `manage.py` needs to work on a database of this server."""
        url = f"postgresql://{servers.USER}@/{database}?host={self.socket_dir}&port={port}"
        here = {"DATABASE_URL": url, "LOCAL_MODE": "1", "STATE_DIR": str(self.folder), "PG_COLOR": "never"}
        return os.environ | here | self._elsewhere

    def destroy(self) -> None:
        """Kill PostgreSQL and delete its data: what a lost disk leaves."""
        data = self.folder / "postgres"
        os.kill(int((data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        servers.wait_until_stopped(self.folder)
        shutil.rmtree(data)
        # The restored server has its socket elsewhere, in a path that is short enough.
        self.socket_dir = Path(tempfile.mkdtemp(prefix="flashsale-restored-", dir="/tmp"))
        self._give_away(self.socket_dir)
        # Valkey is gone too, and no others are started.
        self._elsewhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "CELERY_BROKER_URL": "redis://127.0.0.1:1/1"}

    def manage(self, *args: str, **where: str) -> str:
        """Run a command of the shop; fails the test unless it exits with 0."""
        argv = [sys.executable, "manage.py", *args]
        done = subprocess.run(
            argv, cwd=PROJECT, env=self.environment(**where), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def buy(self, count: int, **where: str) -> dict:
        """Sell so many paid orders of two units, and leave one hold; return their ids and the last event's number."""
        script = f"import sys; sys.argv = ['', '{count}']\n{BUY}"
        return json.loads(self.manage("shell", "--verbosity", "0", "-c", script, **where).splitlines()[-1])

    def paid(self, **where: str) -> set[str]:
        """Return the ids of the paid orders in a database; asserts that its audit is clean."""
        assert "The books are right" in self.manage("audit_stock", **where)
        return {str(order) for (order,) in self.rows("SELECT id FROM checkout_order WHERE status = 'paid'", **where)}

    def rows(self, query: str, *, database: str = "flashsale", port: str = servers.PG_PORT) -> list[tuple]:
        """Return what a query finds."""
        with psycopg.connect(host=str(self.socket_dir), port=port, user=servers.USER, dbname=database) as opened:
            return opened.execute(query).fetchall()

    def run(self, program: str, *args: str) -> None:
        """Run one of PostgreSQL's programs as the account that owns the data."""
        argv = [str(find_postgres(program)), "-h", str(self.socket_dir), "-p", servers.PG_PORT, "-U", servers.USER]
        subprocess.run([*argv, *args], check=True, preexec_fn=self.as_owner(), capture_output=True)

    def sql(self, *statements: str) -> None:
        """Run statements outside transactions."""
        host = str(self.socket_dir)
        with psycopg.connect(
            host=host, port=servers.PG_PORT, user=servers.USER, dbname="flashsale", autocommit=True
        ) as opened:
            for statement in statements:
                opened.execute(statement)

    def own_folder(self, name: str) -> Path:
        """Make a folder that PostgreSQL may write."""
        made = self.folder / name
        made.mkdir(mode=0o700)
        self._give_away(made)
        return made

    def _give_away(self, folder: Path) -> None:
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)

    @contextlib.contextmanager
    def recovered(self, data: Path, *options: str) -> Iterator[str]:
        """Start a second PostgreSQL on a restored folder and yield its port; it takes writes by then."""
        port = str(free_port())
        argv = [find_postgres("postgres"), "-D", data, "-k", self.socket_dir, "-p", port, *options]
        log = (self.folder / "recovered.log").open("wb")
        server = subprocess.Popen(argv, stdout=log, stderr=log, preexec_fn=self.as_owner())  # noqa: PLW1509
        try:
            wait_until(lambda: server.poll() is not None or self._takes_writes(port), what="recovery ends")
            assert server.poll() is None, Path(log.name).read_text()
            yield port
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(WAIT_SECONDS)

    def _takes_writes(self, port: str) -> bool:
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(host=str(self.socket_dir), port=port, user=servers.USER, dbname="flashsale") as opened,
        ):
            return not opened.execute("SELECT pg_is_in_recovery()").fetchone()[0]
        return False

    def as_owner(self) -> Callable[[], None]:
        """Return what makes a child run as the account that owns the data."""
        return child_setup(signal.SIGTERM, account=self.account)


class Backups:
    """The scripts of deploy/backup in the shell of their image, on a server."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, server.own_folder(folder.name)
        self._programs = server.own_folder(f"{folder.name}-programs")
        busybox = tool("busybox")
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            (self._programs / applet).symlink_to(busybox)
        # Alpine's busybox has it, Debian's has not.
        (self._programs / "flock").symlink_to(tool("flock"))
        # A test puts doubles of PostgreSQL's programs here.
        self.doubles = server.own_folder(f"{folder.name}-doubles")

    def environment(self, **variables: str) -> dict[str, str]:
        """Return what the scripts read."""
        where = {
            "PATH": f"{self.doubles}:{find_postgres('psql').parent}:{self._programs}", "BACKUP_DIR": str(self.folder),
            "PGHOST": str(self.server.socket_dir), "PGPORT": servers.PG_PORT, "PGUSER": servers.USER,
            "PGDATABASE": servers.DATABASE, "BACKUP_POLL_SECONDS": "1", "BACKUP_RESERVE_MB": "1",
            "BACKUP_ALIVE_FILE": str(self.folder / "alive"),
        }  # fmt: skip
        return where | inherited() | variables

    def start(self, script: str, *args: str, setup: Callable[[], None] | None = None, **variables: str):
        """Start a script in a session of its own; its output is in a file beside the backups."""
        as_owner = self.server.as_owner()

        def set_up() -> None:
            as_owner()
            if setup:
                setup()

        with (self.folder / f"{script}.log").open("a") as log:
            return subprocess.Popen(
                [self._programs / "sh", PROJECT / "deploy" / "backup" / script, *args],
                env=self.environment(**variables), cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=set_up,  # noqa: PLW1509 - the tests' main thread
            )  # fmt: skip

    def run(self, script: str, *args: str, setup: Callable[[], None] | None = None, **variables: str) -> int:
        """Run a script and return its exit code."""
        return self.start(script, *args, setup=setup, **variables).wait(WAIT_SECONDS)

    @contextlib.contextmanager
    def running(self, *scripts: str, **variables: str) -> Iterator[None]:
        """Run services."""
        started = [self.start(script, **variables) for script in scripts]
        try:
            yield
        finally:
            for program in started:
                program.terminate()
            codes = [program.wait(WAIT_SECONDS) for program in started]
            for program in started:
                kill(program)
            assert codes == [0] * len(codes), self.said(scripts[0])

    def said(self, script: str) -> str:
        """Return what a script logged."""
        return (self.folder / f"{script}.log").read_text()

    def dumps(self) -> list[str]:
        """Return the names of the dumps that count."""
        return sorted(path.name for path in (self.folder / "dumps").glob("*.dump") if path.name[0] != ".")

    def bases(self) -> list[Path]:
        """Return the base backups that count, the oldest first."""
        return sorted(path.parent for path in (self.folder / "base").glob("*Z/start_segment"))

    def metrics(self) -> dict[str, float]:
        """Return what the node exporter would read, by name and labels."""
        texts = [path.read_text() for path in (self.folder / "metrics").glob("*.prom")]
        return {name: float(value) for name, value in re.findall(r"^(\w\S*) (\S+)$", "".join(texts), re.M)}

    def wal_in(self, archive: Path) -> list[str]:
        """Return the names of the segments of an archive."""
        return sorted(path.name for path in archive.iterdir() if re.match("[0-9A-F]{24}", path.name))


def kill(program: subprocess.Popen) -> None:
    """Kill a program with everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()
