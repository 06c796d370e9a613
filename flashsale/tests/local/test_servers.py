"""The embedded servers: shared by the programs of one state folder, private, and never orphaned."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from flashsale.core.commands.interrupts import SIGNALS
from flashsale.local import servers
from flashsale.local.child_process import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, child_setup
from flashsale.local.supervisor import find_postgres
from flashsale.tests.support.processes import WAIT_SECONDS, processes_naming, start, wait_until

HOLD_OPEN = "import sys, pathlib; from flashsale.local import servers; lease = servers.use(pathlib.Path(sys.argv[1]));"
WAIT_FOR_INPUT = HOLD_OPEN + "print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def state_dir(tmp_path):
    folder = tmp_path / "state"
    yield folder
    if folder.exists():
        servers.wait_until_stopped(folder)


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
    with psycopg.connect(servers.urls(folder).database) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


def test_servers_start_and_their_data_survives_a_restart(state_dir):
    lease = servers.use(state_dir)
    query(state_dir, "CREATE TABLE kept AS SELECT 7 AS seven")
    lease.close()
    servers.wait_until_stopped(state_dir)
    wait_until(lambda: not processes_naming(str(state_dir)), what="no process is left")

    lease = servers.use(state_dir)

    assert query(state_dir, "SELECT seven FROM kept") == (7,)
    assert query(state_dir, "SHOW fsync") == ("on",)
    lease.close()


def test_the_last_user_out_stops_the_servers(state_dir):
    first, second = user_of(state_dir), user_of(state_dir)

    first.communicate("")
    assert servers.is_running(state_dir)
    assert query(state_dir, "SELECT 1") == (1,)
    second.communicate("")

    servers.wait_until_stopped(state_dir)
    wait_until(lambda: not processes_naming(str(state_dir)), what="no process is left")
    assert not servers.socket_dir(state_dir).exists()


def test_a_killed_user_leaves_no_orphans(state_dir):
    user = user_of(state_dir)

    user.kill()
    user.wait(WAIT_SECONDS)

    wait_until(lambda: not processes_naming(str(state_dir)), what="servers stopped")


def test_a_killed_supervisor_takes_the_servers_with_it_and_the_next_user_starts_them_again(state_dir):
    user = user_of(state_dir)
    [supervisor] = processes_naming("flashsale.local.supervisor\0" + str(state_dir))

    os.kill(supervisor, signal.SIGKILL)

    wait_until(lambda: not processes_naming(str(state_dir / "postgres")), what="servers gone")
    again = user_of(state_dir)
    assert query(state_dir, "SELECT 1") == (1,)
    for process in (user, again):
        process.communicate("")


INTERRUPTED_WHILE_STARTING = (
    "import sys, pathlib\nfrom flashsale.local import servers\n"
    "from flashsale.core.commands.interrupts import interrupts\n"
    "interrupts.hold()\ntry:\n    servers.use(pathlib.Path(sys.argv[1]))\n    interrupts.check()\n"
    "except KeyboardInterrupt:\n    print('interrupted')"
)


@pytest.mark.parametrize("started", ["supervisor.log", "valkey.log", "postgres.log", "postgres/PG_VERSION"])
def test_an_interrupted_start_has_stopped_what_it_started_when_it_ends(state_dir, started):
    user = start(
        sys.executable, "-c", INTERRUPTED_WHILE_STARTING, str(state_dir), environment=dict(os.environ), stdout=-1
    )
    wait_until((state_dir / started).exists, what=f"{started} is there")

    user.send_signal(signal.SIGTERM)

    assert user.communicate(timeout=WAIT_SECONDS)[0] == "interrupted\n"
    servers.wait_until_stopped(state_dir)
    assert processes_naming(str(state_dir)) == []
    assert not servers.socket_dir(state_dir).exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_supervisor_that_is_told_to_stop_stops_the_servers(state_dir, number):
    user = user_of(state_dir)
    [supervisor] = processes_naming("flashsale.local.supervisor\0" + str(state_dir))

    os.kill(supervisor, number)

    wait_until(lambda: not processes_naming(str(state_dir / "postgres")), what="servers gone")
    wait_until(lambda: not servers.is_running(state_dir), what="supervisor gone")
    assert not servers.socket_dir(state_dir).exists()
    assert "Traceback" not in (state_dir / "supervisor.log").read_text()
    user.communicate("")


def test_a_killed_server_ends_the_supervisor(state_dir):
    user = user_of(state_dir)
    postmaster = int((state_dir / "postgres" / "postmaster.pid").read_text().split()[0])

    os.kill(postmaster, signal.SIGKILL)

    wait_until(lambda: not servers.is_running(state_dir), what="supervisor gone")
    user.communicate("")
    again = user_of(state_dir)
    assert query(state_dir, "SELECT 1") == (1,)
    again.communicate("")


def test_two_starts_at_once_share_one_supervisor(state_dir):
    users = [
        start(sys.executable, "-c", WAIT_FOR_INPUT, str(state_dir), environment=dict(os.environ), stdin=-1, stdout=-1)
        for _ in range(4)
    ]

    assert {user.stdout.readline() for user in users} == {"ready\n"}
    assert len(processes_naming("flashsale.local.supervisor\0" + str(state_dir))) == 1
    for user in users:
        user.communicate("")


@pytest.mark.parametrize("name", ["a path with spaces", "long" * 40])
def test_unusual_paths_work(tmp_path, name):
    folder = tmp_path / name / "state"

    lease = servers.use(folder)

    assert query(folder, "SELECT 1") == (1,)
    lease.close()
    servers.wait_until_stopped(folder)


def test_an_interrupted_first_start_is_completed_by_the_next(state_dir):
    (state_dir / "postgres.new").mkdir(parents=True)
    (state_dir / "postgres.new" / "PG_VERSION").write_text("18\n")

    lease = servers.use(state_dir)

    assert query(state_dir, "SELECT 1") == (1,)
    lease.close()


def test_data_of_another_postgresql_version_is_refused_with_a_message(state_dir):
    (state_dir / "postgres").mkdir(parents=True)
    (state_dir / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(servers.EmbeddedError, match="belongs to PostgreSQL 12"):
        servers.use(state_dir)


def test_a_state_folder_that_is_a_file_is_refused_with_a_message(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(servers.EmbeddedError, match="cannot be used"):
        servers.use(tmp_path / "file" / "state")


def test_a_socket_folder_of_another_user_is_refused(state_dir):
    sockets = servers.socket_dir(state_dir)
    sockets.mkdir(mode=0o755)
    try:
        with pytest.raises(servers.EmbeddedError, match="not a private folder"):
            servers.use(state_dir)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def test_it_runs_below_a_folder_that_others_cannot_enter(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    lease = servers.use(private / "state")

    assert query(private / "state", "SELECT 1") == (1,)
    assert private.stat().st_mode & 0o777 == 0o700
    lease.close()
    servers.wait_until_stopped(private / "state")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_an_ordinary_user_runs_the_servers_as_that_user(state_dir):
    nobody = pwd.getpwnam("nobody")
    state_dir.mkdir()
    os.chown(state_dir, nobody.pw_uid, nobody.pw_gid)
    setup = child_setup(signal.SIGTERM, account=nobody)
    argv = [sys.executable, "-c", WAIT_FOR_INPUT, str(state_dir)]
    user = subprocess.Popen(argv, stdin=-1, stdout=-1, text=True, preexec_fn=setup)  # noqa: PLW1509

    assert user.stdout.readline() == "ready\n"

    assert (state_dir / "postgres").stat().st_uid == nobody.pw_uid
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in processes_naming(str(state_dir))} == {nobody.pw_uid}
    user.communicate("")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as another user")
def test_programs_below_a_folder_that_others_cannot_enter_run_too(tmp_path, state_dir):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    wheel = find_postgres("postgres").parents[2]
    (private / wheel.name).symlink_to(wheel)
    argv = [sys.executable, "-c", WAIT_FOR_INPUT, str(state_dir)]
    user = start(*argv, environment=os.environ | {"PYTHONPATH": str(private)}, stdin=-1, stdout=-1)

    assert user.stdout.readline() == "ready\n"

    postmaster = (state_dir / "postgres" / "postmaster.pid").read_text().split()[0]
    status = Path(f"/proc/{postmaster}/status").read_text()
    assert str(private).encode() in Path(f"/proc/{postmaster}/cmdline").read_bytes()
    kept = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("CapEff", "CapPrm"))]
    assert kept in ([1 << CAP_DAC_READ_SEARCH] * 2, [1 << CAP_DAC_OVERRIDE] * 2)
    user.communicate("")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_data_of_another_account_is_refused_with_a_message(state_dir):
    servers.use(state_dir).close()
    servers.wait_until_stopped(state_dir)
    os.chown(state_dir / "postgres", 12345, 12345)

    with pytest.raises(servers.EmbeddedError, match="belongs to user id 12345"):
        servers.use(state_dir)


def test_a_stale_pid_file_whose_pid_was_reused_does_not_matter(state_dir):
    servers.use(state_dir).close()
    servers.wait_until_stopped(state_dir)
    data = state_dir / "postgres"
    owner = data.stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid) as other_process:
        lock = data / "postmaster.pid"
        lock.write_text(f"{other_process.pid}\n{data}\n1\n5432\n\n\n\nready\n")
        os.chown(lock, owner.st_uid, owner.st_gid)

        lease = servers.use(state_dir)

        assert query(state_dir, "SELECT 1") == (1,)
        assert other_process.poll() is None
        other_process.kill()
    lease.close()


def test_a_folder_that_is_reached_by_a_link_has_the_same_servers(state_dir):
    lease = servers.use(state_dir)
    link = state_dir.with_name("link")
    link.symlink_to(state_dir)

    again = servers.use(link)

    assert query(link, "SELECT 1") == (1,)
    for used in (lease, again):
        used.close()


def test_two_who_ask_at_once_whether_it_runs_do_not_take_each_other_for_a_supervisor(tmp_path):
    path = tmp_path / "supervisor.lock"
    with path.open("w") as another_question:
        fcntl.flock(another_question, fcntl.LOCK_SH)

        assert not servers.is_locked(path)

        fcntl.flock(another_question, fcntl.LOCK_EX)
        assert servers.is_locked(path)


def test_a_read_only_folder_is_refused_with_a_message():
    with pytest.raises(servers.EmbeddedError, match="/proc/state cannot be used"):
        servers.use(Path("/proc/state"))
