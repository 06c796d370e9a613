"""Backups are restored: a dump, and a point in time, each with a clean audit afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from flashsale.local import servers
from flashsale.local.child_process import child_setup
from flashsale.local.supervisor import _account, find_postgres
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, free_port, wait_until

BUY = """
import json, sys
from decimal import Decimal
from catalog import products
from catalog.models import Product
from checkout import holds, orders
from payments import inbox
from payments.providers import PROVIDERS
product = Product.objects.first() or products.add(name="Widget", price=Decimal(10), currency="USD", stock=100)
for _ in range(int(sys.argv[1])):
    order = orders.place(hold_id=holds.place(product_id=product.pk, quantity=2).pk)
    event = {"idempotency_key": f"evt-{order.pk}", "status": "success", "order_id": str(order.pk)}
    inbox.receive(PROVIDERS["standard"], body=json.dumps(event).encode(), headers={})
holds.place(product_id=product.pk, quantity=1)
"""


class Server:
    """A PostgreSQL with the shop's tables, and the programs of its package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.account = _account()
        self.socket_dir = servers.socket_dir(folder)

    def environment(self, *, database: str = "flashsale", port: str = servers.PG_PORT) -> dict[str, str]:
        """What `manage.py` needs to work on a database of this server."""
        url = f"postgresql://{servers.USER}@/{database}?host={self.socket_dir}&port={port}"
        return os.environ | {"DATABASE_URL": url, "LOCAL_MODE": "1", "STATE_DIR": str(self.folder), "PG_COLOR": "never"}

    def manage(self, *args: str, **where: str) -> str:
        """Run a command of the shop; fails the test unless it exits with 0."""
        argv = [sys.executable, "manage.py", *args]
        done = subprocess.run(
            argv, cwd=PROJECT, env=self.environment(**where), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def buy(self, count: int) -> None:
        """Sell so many paid orders of two units, and leave one hold."""
        script = f"import sys; sys.argv = ['', '{count}']\n{BUY}"
        self.manage("shell", "--verbosity", "0", "-c", script)

    def paid(self, **where: str) -> int:
        """Return the number of paid orders in a database; asserts that its audit is clean."""
        assert "The books are right" in self.manage("audit_stock", **where)
        database, port = where.get("database", "flashsale"), where.get("port", servers.PG_PORT)
        with psycopg.connect(host=str(self.socket_dir), port=port, user=servers.USER, dbname=database) as opened:
            return opened.execute("SELECT count(*) FROM checkout_order WHERE status = 'paid'").fetchone()[0]

    def run(self, program: str, *args: str) -> None:
        """Run one of PostgreSQL's programs as the account that owns the data."""
        argv = [str(find_postgres(program)), "-h", str(self.socket_dir), "-p", servers.PG_PORT, "-U", servers.USER]
        subprocess.run([*argv, *args], check=True, preexec_fn=self._as_owner(), capture_output=True)

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
        if self.account:
            os.chown(made, self.account.pw_uid, self.account.pw_gid)
        return made

    @contextlib.contextmanager
    def recovered(self, data: Path):
        """Start a second PostgreSQL on a restored folder and yield its port; it takes writes by then."""
        port = str(free_port())
        argv = [find_postgres("postgres"), "-D", data, "-k", self.socket_dir, "-p", port, "-c", "listen_addresses="]
        # Recovery wants at least as many connections as there were.
        argv += ["-c", "archive_mode=off", "-c", "max_connections=200"]
        log = (self.folder / "recovered.log").open("wb")
        server = subprocess.Popen(argv, stdout=log, stderr=log, preexec_fn=self._as_owner())  # noqa: PLW1509
        try:
            wait_until(lambda: self._takes_writes(port), what=f"recovery ends; see {log.name}")
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

    def _as_owner(self):
        return child_setup(signal.SIGTERM, account=self.account)


@pytest.fixture
def server(tmp_path):
    """A server with three paid orders, which archives its WAL."""
    if os.getuid() == 0:
        # The account that owns the data must be able to read the folder.
        for folder in (tmp_path, *list(tmp_path.parents)[:3]):
            folder.chmod(folder.stat().st_mode | 0o011)
    lease = servers.use(tmp_path, fast=True)
    made = Server(tmp_path)
    archive = made.own_folder("archive")
    try:
        made.sql("ALTER SYSTEM SET archive_mode = on", f"ALTER SYSTEM SET archive_command = 'cp %p {archive}/%f'")
        lease.close()
        servers.wait_until_stopped(tmp_path)
        lease = servers.use(tmp_path, fast=True)
        made.manage("migrate", "--verbosity", "0")
        made.buy(3)
        yield made
    finally:
        lease.close()
        servers.wait_until_stopped(tmp_path)


def test_a_restored_dump_has_a_clean_audit(server, tmp_path):
    dump = server.own_folder("dumps") / "before.dump"
    server.run("pg_dump", "-Fc", "-f", str(dump), "flashsale")
    server.buy(2)
    server.run("createdb", "restored")
    server.run("pg_restore", "-d", "restored", str(dump))

    assert (server.paid(database="restored"), server.paid()) == (3, 5)


def test_a_point_in_time_recovery_has_a_clean_audit(server, tmp_path):
    data = tmp_path / "recovered"
    server.own_folder("recovered")
    server.run("pg_basebackup", "-D", str(data), "-c", "fast")
    server.buy(2)
    with psycopg.connect(
        host=str(server.socket_dir), port=servers.PG_PORT, user=servers.USER, dbname="flashsale"
    ) as opened:
        moment = opened.execute("SELECT clock_timestamp()::text").fetchone()[0]
    server.sql(
        "UPDATE catalog_stock SET sold = 0", "DELETE FROM payments_payment", "SELECT pg_switch_wal()", "CHECKPOINT"
    )
    with (data / "postgresql.auto.conf").open("a") as file:
        file.write(f"restore_command = 'cp {tmp_path}/archive/%f %p'\n")
        file.write(f"recovery_target_time = '{moment}'\nrecovery_target_action = 'promote'\n")
    signal_file = data / "recovery.signal"
    signal_file.touch()
    if server.account:
        shutil.chown(signal_file, server.account.pw_uid, server.account.pw_gid)

    with server.recovered(data) as port:
        assert server.paid(port=port) == 5
