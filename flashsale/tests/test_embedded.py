"""The embedded servers: shared, private, and never orphaned."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from flashsale import embedded
from flashsale.tests.processes import processes_naming, start, wait_until

HOLD_OPEN = "import sys, pathlib; from flashsale import embedded; lease = embedded.use(pathlib.Path(sys.argv[1]));"
WAIT_FOR_INPUT = HOLD_OPEN + "print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def state_dir(tmp_path):
    folder = tmp_path / "state"
    yield folder
    if folder.exists():
        embedded.wait_until_stopped(folder)


def user_of(folder: Path) -> subprocess.Popen:
    """Return a process that uses the folder's ready servers until its input is closed."""
    process = start(
        sys.executable,
        "-c",
        WAIT_FOR_INPUT,
        str(folder),
        environment=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def query(folder: Path, sql: str):
    with psycopg.connect(embedded.urls(folder).database) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


def test_servers_start_and_their_data_survives_a_restart(state_dir):
    lease = embedded.use(state_dir)
    query(state_dir, "CREATE TABLE kept AS SELECT 7 AS seven")
    lease.close()
    embedded.wait_until_stopped(state_dir)
    wait_until(lambda: not processes_naming(str(state_dir)), what="no process is left")

    lease = embedded.use(state_dir)

    assert query(state_dir, "SELECT seven FROM kept") == (7,)
    assert query(state_dir, "SHOW fsync") == ("on",)
    lease.close()


def test_the_last_user_out_stops_the_servers(state_dir):
    first, second = user_of(state_dir), user_of(state_dir)

    first.communicate("")
    assert embedded.is_running(state_dir)
    assert query(state_dir, "SELECT 1") == (1,)
    second.communicate("")

    embedded.wait_until_stopped(state_dir)
    wait_until(lambda: not processes_naming(str(state_dir)), what="no process is left")
    assert not embedded.socket_dir(state_dir).exists()


def test_a_killed_user_leaves_no_orphans(state_dir):
    user = user_of(state_dir)

    user.kill()
    user.wait()

    wait_until(lambda: not processes_naming(str(state_dir)), what="servers stopped")


def test_a_killed_keeper_takes_the_servers_with_it_and_the_next_user_starts_them_again(state_dir):
    user = user_of(state_dir)
    [keeper] = processes_naming("flashsale.embedded_keeper\0" + str(state_dir))

    os.kill(keeper, signal.SIGKILL)

    wait_until(lambda: not processes_naming(str(state_dir / "postgres")), what="servers gone")
    again = user_of(state_dir)
    assert query(state_dir, "SELECT 1") == (1,)
    for process in (user, again):
        process.communicate("")


def test_a_killed_server_ends_the_keeper(state_dir):
    user = user_of(state_dir)
    postmaster = int((state_dir / "postgres" / "postmaster.pid").read_text().split()[0])

    os.kill(postmaster, signal.SIGKILL)

    wait_until(lambda: not embedded.is_running(state_dir), what="keeper gone")
    user.communicate("")
    again = user_of(state_dir)
    assert query(state_dir, "SELECT 1") == (1,)
    again.communicate("")


def test_two_starts_at_once_share_one_keeper(state_dir):
    users = [
        start(sys.executable, "-c", WAIT_FOR_INPUT, str(state_dir), environment=dict(os.environ), stdin=-1, stdout=-1)
        for _ in range(4)
    ]

    assert {user.stdout.readline() for user in users} == {"ready\n"}
    assert len(processes_naming("flashsale.embedded_keeper\0" + str(state_dir))) == 1
    for user in users:
        user.communicate("")


@pytest.mark.parametrize("name", ["a path with spaces", "long" * 40])
def test_unusual_paths_work(tmp_path, name):
    folder = tmp_path / name / "state"

    lease = embedded.use(folder)

    assert query(folder, "SELECT 1") == (1,)
    lease.close()
    embedded.wait_until_stopped(folder)


def test_an_interrupted_first_start_is_made_good(state_dir):
    (state_dir / "postgres.new").mkdir(parents=True)
    (state_dir / "postgres.new" / "PG_VERSION").write_text("18\n")

    lease = embedded.use(state_dir)

    assert query(state_dir, "SELECT 1") == (1,)
    lease.close()


def test_data_of_another_version_is_refused_in_words(state_dir):
    (state_dir / "postgres").mkdir(parents=True)
    (state_dir / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(embedded.EmbeddedError, match="belongs to PostgreSQL 12"):
        embedded.use(state_dir)


def test_a_state_folder_that_is_a_file_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(embedded.EmbeddedError, match="cannot be used"):
        embedded.use(tmp_path / "file" / "state")


def test_a_socket_folder_of_somebody_else_is_refused(state_dir):
    sockets = embedded.socket_dir(state_dir)
    sockets.mkdir(mode=0o755)
    try:
        with pytest.raises(embedded.EmbeddedError, match="not a private folder"):
            embedded.use(state_dir)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def test_it_runs_below_a_folder_that_others_cannot_enter(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    lease = embedded.use(private / "state")

    assert query(private / "state", "SELECT 1") == (1,)
    assert private.stat().st_mode & 0o777 == 0o700
    lease.close()
    embedded.wait_until_stopped(private / "state")


def test_a_folder_that_nobody_may_write_is_refused_in_words():
    with pytest.raises(embedded.EmbeddedError, match="/proc/state cannot be used"):
        embedded.use(Path("/proc/state"))
