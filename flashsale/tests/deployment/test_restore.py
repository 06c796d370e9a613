"""Backups are restored, each with a clean audit afterwards: a dump, and a moment, as docs/operations.md says."""

import os
import shutil

import psycopg
import pytest

from flashsale.local import servers
from flashsale.outbox import numbering
from flashsale.tests.support.backups import Backups, Server
from flashsale.tests.support.processes import PROJECT, wait_until

ARCHIVED = "flashsale_wal_archived_timestamp_seconds"
NOW = "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::text, extract(epoch FROM clock_timestamp())"


@pytest.fixture
def server(tmp_path):
    """A server with three paid orders."""
    if os.getuid() == 0:
        # The account that owns the data must be able to read the folder.
        for folder in (tmp_path, *list(tmp_path.parents)[:3]):
            folder.chmod(folder.stat().st_mode | 0o011)
    lease = servers.use(tmp_path, fast=True)
    made = Server(tmp_path)
    try:
        made.manage("migrate", "--verbosity", "0")
        made.sold = made.buy(3)
        yield made
    finally:
        lease.close()
        servers.wait_until_stopped(tmp_path)
        shutil.rmtree(made.socket_dir, ignore_errors=True)


def test_a_restored_dump_has_a_clean_audit(server, tmp_path):
    backups = Backups(server, tmp_path / "backups")
    assert backups.run("dump.sh") == 0
    later = server.buy(2)
    server.run("createdb", "restored")
    server.run("pg_restore", "-d", "restored", str(backups.folder / "dumps" / backups.dumps()[0]))

    assert server.paid(database="restored") == set(server.sold["orders"])
    assert server.paid() == {*server.sold["orders"], *later["orders"]}


def test_what_was_sold_until_a_moment_is_there_after_the_server_was_lost(server, tmp_path):
    backups, data = Backups(server, tmp_path / "backups"), tmp_path / "restored" / "data"
    server.own_folder("restored")

    # The services of Compose make a dump and a base backup while the shop sells.
    with backups.running("receive.sh", "schedule.sh"):
        wait_until(lambda: backups.dumps() and backups.bases(), what="the first dump and base backup")
        later = server.buy(2)
        [(moment, seconds)] = server.rows(NOW)
        # A mistake falsifies the counters, and then the server is lost.
        server.sql("UPDATE catalog_stock SET sold = 0", "DELETE FROM payments_payment")
        wait_until(lambda: backups.metrics()[ARCHIVED] > float(seconds) + 1, what="the mistake is archived too")
    server.destroy()
    assert backups.run("restore.sh", str(data), moment) == 0, backups.said("restore.sh")

    with server.recovered(data, "-c", f"hba_file={PROJECT}/deploy/pg_hba.conf") as port:
        assert server.paid(port=port) == {*server.sold["orders"], *later["orders"]}
        assert len(server.manage("refunds_due", port=port).splitlines()) == 1
        again = server.buy(1, port=port)
        assert again["last_event"] > later["last_event"] + numbering.JUMP
        [(_, seconds)] = server.rows(NOW, port=port)
        # The archive goes on with the restored server's history.
        with backups.running("receive.sh", PGPORT=port):
            wait_until(lambda: backups.metrics()[ARCHIVED] > float(seconds), what="the archive goes on")

    assert backups.run("restore.sh", str(data.with_name("again"))) == 0, backups.said("restore.sh")
    with server.recovered(data.with_name("again")) as port:
        assert server.rows("SELECT count(*) FROM checkout_order WHERE status = 'paid'", port=port) == [(6,)]


def test_the_rules_of_compose_let_the_backups_in_with_the_password_only(server, tmp_path):
    data, secret = server.own_folder("copy"), tmp_path / "password"
    secret.write_text("it's $it: #1\n")
    backups = Backups(server, tmp_path / "backups")
    server.run("pg_basebackup", "-D", str(data), "-c", "fast")
    hba, listen = f"hba_file={PROJECT}/deploy/pg_hba.conf", "listen_addresses=127.0.0.1"

    with server.recovered(data, "-c", hba, "-c", listen) as port:
        with psycopg.connect(host=str(server.socket_dir), port=port, user=servers.USER, dbname="flashsale") as opened:
            opened.execute("ALTER ROLE flashsale PASSWORD 'it''s $it: #1'")
        where = {"PGHOST": "127.0.0.1", "PGPORT": port}

        assert backups.run("base.sh", **where) == 1
        assert backups.run("base.sh", BACKUP_PASSWORD_FILE=str(secret), **where) == 0, backups.said("base.sh")
