"""The backup scripts: what counts as good, what is deleted, and what they publish, also when they are broken off."""

import hashlib
import os
import resource
import shutil
import signal
import stat
import time
from pathlib import Path

import psycopg
import pytest

from flashsale.local import servers
from flashsale.local.supervisor import find_postgres
from flashsale.tests.support.backups import Backups, Server, kill
from flashsale.tests.support.processes import wait_until

DAY = 86_400
LAST = 'flashsale_backup_last_success_timestamp_seconds{kind="dump"}'
FAILED = 'flashsale_backup_failed{kind="dump"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a table of orders."""
    folder = tmp_path_factory.mktemp("server")
    open_to_its_account(folder)
    lease = servers.use(folder, fast=True)
    made = Server(folder)
    try:
        made.sql("CREATE TABLE checkout_order AS SELECT n, md5(n::text) AS text FROM generate_series(1, 20000) AS n")
        yield made
    finally:
        lease.close()
        servers.wait_until_stopped(folder)


def open_to_its_account(folder: Path) -> None:
    """Let the account that owns the data enter the folder."""
    if os.getuid() == 0:
        for above in (folder, *list(folder.parents)[:3]):
            above.chmod(above.stat().st_mode | 0o011)


@pytest.fixture
def backups(server, tmp_path) -> Backups:
    return Backups(server, tmp_path)


def test_a_dump_is_whole_private_published_and_copied_off(backups, server):
    copy = f'cp "$1" "$1.sha256" {server.own_folder("off-site")}'

    assert backups.run("dump.sh", BACKUP_COPY_COMMAND=copy) == 0

    [name] = backups.dumps()
    dump = backups.folder / "dumps" / name
    digest = hashlib.sha256(dump.read_bytes()).hexdigest()
    assert dump.with_name(f"{name}.sha256").read_text() == f"{digest}  {name}\n"
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert stat.S_IMODE(dump.parent.stat().st_mode) == 0o700
    assert {path.name for path in (server.folder / "off-site").iterdir()} == {name, f"{name}.sha256"}
    server.run("createdb", "restored")
    server.run("pg_restore", "-d", "restored", str(dump))
    with psycopg.connect(host=str(server.socket_dir), port=servers.PG_PORT, user=servers.USER, dbname="restored") as db:
        assert db.execute("SELECT count(*) FROM checkout_order").fetchone() == (20_000,)
    published = backups.metrics()
    assert (published[FAILED], published['flashsale_backup_kept{kind="dump"}']) == (0, 1)
    assert abs(published[LAST] - time.time()) < DAY / 24
    assert stat.S_IMODE((backups.folder / "metrics/dump.prom").stat().st_mode) == 0o644


def double(backups: Backups, program: str, script: str) -> None:
    """Put a program before one of PostgreSQL's; `$real` is that."""
    path = backups.doubles / program
    path.write_text(f"#!{backups.environment()['PATH'].split(':')[-1]}/sh\nreal={find_postgres(program)}\n{script}\n")
    path.chmod(0o755)


CUT_OFF = """
"$real" "$@" || exit 1
for given in "$@"; do case $given in --file=*) file=${given#--file=} ;; esac; done
size=$(stat -c %s "$file"); head -c $((size - %d)) "$file" > "$file.cut" && mv "$file.cut" "$file"
"""


def fill_the_disk() -> None:
    """Let no file grow beyond 100 KB: the write in the middle fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


BROKEN = {
    "the last bytes are missing": {"script": CUT_OFF.replace("%d", "40")},
    "half is missing": {"script": CUT_OFF.replace("%d", "size / 2")},
    "it is of another database": {"variables": {"PGDATABASE": "postgres"}},
    "there is no server": {"variables": {"PGPORT": "1"}},
    "the disk is full": {"setup": fill_the_disk},
    "too little is free": {"variables": {"BACKUP_RESERVE_MB": "999999999"}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_whole_never_counts_and_nothing_good_is_deleted(backups, name):
    assert backups.run("dump.sh") == 0
    [good] = backups.dumps()
    long_ago(backups, good, days=100)
    before = backups.metrics()
    fault = dict(BROKEN[name])
    if "script" in fault:
        double(backups, "pg_dump", fault["script"])

    failed = backups.run("dump.sh", setup=fault.get("setup"), **fault.get("variables", {}))

    assert failed == 1
    assert backups.dumps() == [good]
    assert {path.name for path in (backups.folder / "dumps").iterdir()} == {good, f"{good}.sha256"}
    assert "no dump was made; older ones are kept" in backups.said("dump.sh")
    assert (backups.metrics()[FAILED], backups.metrics()[LAST]) == (1, before[LAST] - 100 * DAY)


def long_ago(backups: Backups, name: str, *, days: int) -> None:
    """Make a dump older."""
    for path in (backups.folder / "dumps").glob(f"{name}*"):
        when = path.stat().st_mtime - days * DAY
        os.utime(path, (when, when))


def test_a_dump_that_is_killed_in_the_middle_never_counts_and_the_next_run_clears_it_away(backups, server):
    assert backups.run("dump.sh") == 0
    [good] = backups.dumps()
    unfinished = backups.folder / "dumps" / ".unfinished.dump"

    with psycopg.connect(
        host=str(server.socket_dir), port=servers.PG_PORT, user=servers.USER, dbname="flashsale"
    ) as db:
        db.execute("LOCK TABLE checkout_order")
        killed = backups.start("dump.sh")
        wait_until(unfinished.exists, what="the dump has begun")
        # Meanwhile no other run begins.
        assert backups.run("dump.sh") == 1
        kill(killed)
    assert backups.dumps() == [good]
    assert unfinished.exists()

    assert backups.run("dump.sh") == 0
    assert len(backups.dumps()) == 2
    assert not unfinished.exists()
    assert "deleting what a run that died left" in backups.said("dump.sh")


def test_dumps_are_deleted_by_age_but_never_the_newest_that_are_intact(backups):
    assert backups.run("dump.sh") == 0
    dumps, [newest] = backups.folder / "dumps", backups.dumps()
    for day in range(1, 7):
        name = f"flashsale-2020010{day}T030000Z.dump"
        shutil.copy(dumps / newest, dumps / name)
        (dumps / f"{name}.sha256").write_text((dumps / f"{newest}.sha256").read_text().replace(newest, name))
        long_ago(backups, name, days=100 if day < 6 else 2)
    (dumps / "flashsale-20200105T030000Z.dump").write_bytes(b"rotten")

    assert backups.run("dump.sh", BACKUP_KEEP_LEAST="4") == 1

    # The two of today, that of two days ago, the newest intact one of the old; the damaged one is kept to be looked at.
    kept = ["flashsale-20200104T030000Z.dump", "flashsale-20200106T030000Z.dump", newest]
    assert set(backups.dumps()) == {*kept, backups.dumps()[-1]}
    assert len(backups.dumps()) == 4
    assert (dumps / "flashsale-20200105T030000Z.dump.damaged").exists()
    assert backups.metrics()[FAILED] == 1
    assert backups.run("dump.sh", BACKUP_KEEP_LEAST="4") == 0
    assert backups.metrics()[FAILED] == 0


@pytest.mark.parametrize("variable", ["BACKUP_KEEP_LEAST", "BACKUP_KEEP_BASES"])
def test_a_setting_that_keeps_nothing_is_refused(backups, variable):
    assert backups.run("dump.sh", **{variable: "0"}) == 1
    assert "must be at least 1" in backups.said("dump.sh")


def test_a_copy_that_fails_is_a_failure_and_the_dump_stays(backups):
    assert backups.run("dump.sh", BACKUP_COPY_COMMAND="false") == 1

    assert len(backups.dumps()) == 1
    assert backups.metrics()[FAILED] == 1
