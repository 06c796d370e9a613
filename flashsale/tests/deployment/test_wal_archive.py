"""The WAL archive and its base backups: nothing is missing, nothing needed is deleted, and a gap is told."""

import os
import resource
import signal
import time
from pathlib import Path

import psycopg
import pytest

from flashsale.local import servers
from flashsale.tests.support.backups import Backups, Server, kill
from flashsale.tests.support.processes import wait_until

ARCHIVED, GAP = "flashsale_wal_archived_timestamp_seconds", "flashsale_wal_archive_gap"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a table of numbers."""
    folder = tmp_path_factory.mktemp("server")
    if os.getuid() == 0:
        for above in (folder, *list(folder.parents)[:3]):
            above.chmod(above.stat().st_mode | 0o011)
    lease = servers.use(folder, fast=True)
    made = Server(folder)
    try:
        made.sql("CREATE TABLE number (n integer)")
        yield made
    finally:
        lease.close()
        servers.wait_until_stopped(folder)


@pytest.fixture
def backups(server, tmp_path) -> Backups:
    yield Backups(server, tmp_path)
    server.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def archive_of(backups: Backups) -> Path:
    """Return the archive that is written to."""
    [archive] = [path for path in (backups.folder / "wal").iterdir() if path.name.isdigit()]
    return archive


def wait_for_archive(backups: Backups) -> None:
    """Wait until everything until now is archived."""
    now = time.time()
    wait_until(lambda: backups.metrics().get(ARCHIVED, 0) > now, what="everything until now is archived")


def wait_for_bases(backups: Backups, number: int) -> None:
    """Wait until the archive has made so many base backups by itself, and is done."""
    lock = backups.folder / "state/base.lock"
    wait_until(lambda: len(backups.bases()) == number and not servers.is_locked(lock), what=f"{number} base backups")


def next_segment(server: Server, number: int) -> None:
    """Write a number, and begin a new WAL file."""
    server.sql(f"INSERT INTO number VALUES ({number})", "SELECT pg_switch_wal()")


def numbers_after_restore(backups: Backups, data: Path, *moment: str) -> set[int]:
    """Restore into a folder, start it, and return the numbers in it."""
    assert backups.run("restore.sh", str(data), *moment) == 0, backups.said("restore.sh")
    server = backups.server
    with (
        server.recovered(data, "-c", "listen_addresses=") as port,
        psycopg.connect(host=str(server.socket_dir), port=port, user=servers.USER, dbname="flashsale") as restored,
    ):
        return {number for (number,) in restored.execute("SELECT n FROM number")}


def test_wal_is_kept_from_the_beginning_of_the_oldest_base_backup_on(backups, server):
    server.sql("TRUNCATE number")
    with backups.running("receive.sh"):
        # The archive makes its first base backup by itself.
        wait_for_bases(backups, 1)
        [deleted] = backups.bases()
        next_segment(server, 1)
        assert backups.run("base.sh", BACKUP_KEEP_BASES="1") == 0, backups.said("base.sh")
        next_segment(server, 2)
        server.sql("INSERT INTO number VALUES (3)")
        wait_for_archive(backups)
    [base] = backups.bases()
    first = (base / "start_segment").read_text().strip()

    assert base != deleted
    segments = backups.wal_in(archive_of(backups))
    assert segments[0] == first
    assert segments[-1].endswith(".partial")
    assert backups.metrics()[GAP] == 0
    # What the archive holds beyond the last base backup is restored to its end, with the file that is not complete.
    assert numbers_after_restore(backups, backups.folder / "restored") == {1, 2, 3}


def fill_the_disk() -> None:
    """Let no file grow beyond 1 MB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


def test_a_base_backup_that_is_broken_off_or_damaged_never_counts_and_nothing_good_is_deleted(backups):
    assert backups.run("base.sh") == 0, backups.said("base.sh")
    [good] = backups.bases()
    first = (good / "start_segment").read_text()

    assert backups.run("base.sh", setup=fill_the_disk, BACKUP_KEEP_BASES="1") == 1
    assert backups.bases() == [good]
    assert list(good.parent.iterdir()) == [good]

    killed = backups.start("base.sh")
    wait_until(lambda: list((good.parent / ".unfinished").glob("*")), what="the base backup has begun")
    kill(killed)
    assert backups.bases() == [good]

    with (good / "base.tar.gz").open("r+b") as tar:
        tar.seek(100_000)
        tar.write(b"rotten")
    assert backups.run("base.sh", BACKUP_KEEP_BASES="2") == 1
    assert good.with_name(f"{good.name}.damaged").exists()
    assert [path.name for path in good.parent.glob("*Z")] == [backups.bases()[-1].name] != [good.name]
    assert backups.run("restore.sh", str(backups.folder / "restored"), "2020-01-01 00:00:00") == 1
    assert "no base backup was complete before 2020-01-01" in backups.said("restore.sh")
    assert first


def test_a_gap_begins_a_new_archive_with_a_base_backup_and_the_old_one_restores_what_it_has(backups, server):
    server.sql("TRUNCATE number")
    with backups.running("receive.sh"):
        wait_for_bases(backups, 1)
        server.sql("INSERT INTO number VALUES (1)")
        wait_for_archive(backups)
    [before] = backups.bases()
    # The receiver is gone for long: the server drops the WAL that it waits for, and is not filled by it.
    server.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
    for number in (2, 3, 4):
        next_segment(server, number)
    server.sql("CHECKPOINT", "ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")

    with backups.running("receive.sh"):
        wait_for_bases(backups, 2)
        server.sql("INSERT INTO number VALUES (5)")
        wait_for_archive(backups)

    assert "a new archive begins" in backups.said("receive.sh")
    assert numbers_after_restore(backups, backups.folder / "after") == {1, 2, 3, 4, 5}
    [old] = (backups.folder / "wal").glob("*.until-*")
    assert backups.wal_in(old)[0] == (before / "start_segment").read_text().strip()
    # With the next base backups nothing of it is needed any more.
    assert backups.run("base.sh", BACKUP_KEEP_BASES="1") == 0
    assert not old.exists()
