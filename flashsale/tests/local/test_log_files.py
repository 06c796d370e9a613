"""Logs of a local system: bounded, complete, and no reason to stop."""

import subprocess
import sys

import pytest

from flashsale.local.log_files import OLDER_FILES, LogFile, LogPipes
from flashsale.local.programs import LocalSystem, Program
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

MAX_BYTES = 10_000
# Writes numbered lines of 10 bytes to both outputs.
COUNTING = "import os, sys\nfor n in range(int(sys.argv[1])): os.write(1 + n % 2, b'%09d\\n' % n)"
# Writes more than a pipe holds when it is told to stop.
TALKATIVE = """
import os, signal, sys
def stop(*_):
    for n in range(400_000):
        os.write(1, b"%09d\\n" % n)
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def pipes():
    pipes = LogPipes()
    yield pipes
    pipes.close()


def run(pipes: LogPipes, log: LogFile, *argv: str) -> int:
    """Run a program whose output goes into a log; return its exit code when all of it is there."""
    with pipes.writing_to(log) as output:
        program = subprocess.Popen([sys.executable, "-c", *argv], stdout=output, stderr=output)
    while program.poll() is None:
        pipes.pump(0.05)
    pipes.drain()
    return program.returncode


def numbers(*paths) -> list[int]:
    """Return the numbers in these files; every line is whole."""
    return [int(line) for path in paths for line in path.read_bytes().splitlines()]


def test_files_are_bounded_and_no_line_is_lost_between_two(pipes, tmp_path):
    path = tmp_path / "web.log"

    assert run(pipes, LogFile(path, max_bytes=MAX_BYTES), COUNTING, "2500") == 0

    files = [path.with_name("web.log.2"), path.with_name("web.log.1"), path]
    assert numbers(*files) == list(range(2_500))
    assert all(file.stat().st_size <= MAX_BYTES for file in files)


def test_the_oldest_file_is_removed(pipes, tmp_path):
    path = tmp_path / "web.log"
    log = LogFile(path, max_bytes=MAX_BYTES)

    for number in range(5_000):
        log.write(b"%09d\n" % number)
    log.close()

    assert sorted(file.name for file in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= (1 + OLDER_FILES) * (MAX_BYTES + 10)
    assert numbers(path)[-1] == 4_999


def test_a_line_that_no_file_has_room_for_is_kept_whole(tmp_path):
    path = tmp_path / "web.log"
    log = LogFile(path, max_bytes=10)

    for data in (b"first\n", b"a line" * 10, b" goes on\n", b"last\n"):
        log.write(data)
    log.close()

    written = [path.with_name(f"web.log.{number}").read_bytes() for number in (2, 1)]
    assert written == [b"first\n", b"a line" * 10 + b" goes on\n"]
    assert path.read_bytes() == b"last\n"


def test_a_file_that_is_exactly_full_takes_no_further_line(tmp_path):
    path = tmp_path / "web.log"
    log = LogFile(path, max_bytes=20)

    for data in (b"the first\n" * 2, b"the third\n", b"longer than a file is\n", b"last\n"):
        log.write(data)
    log.close()

    written = [path.with_name(f"web.log{older}").read_bytes() for older in (".2", ".1", "")]
    assert written == [b"the third\n", b"longer than a file is\n", b"last\n"]


def test_a_full_disk_ends_no_program_and_is_told_of_afterwards(pipes, tmp_path):
    path = tmp_path / "web.log"
    path.symlink_to("/dev/full")
    log = LogFile(path, max_bytes=MAX_BYTES)

    assert run(pipes, log, COUNTING, "500") == 0
    path.unlink()
    log.write(b"after\n")
    log.close()

    assert path.read_text() == "[5000 bytes of this log could not be written]\nafter\n"


def test_a_program_that_logs_much_while_it_stops_is_not_killed(tmp_path):
    system = LocalSystem(tmp_path, cwd=tmp_path)
    program = Program("talkative", [sys.executable, "-c", TALKATIVE])
    system.start(program)
    log = system.log_of(program)

    def is_ready() -> bool:
        system.write_logs(0.05)
        return log.exists()

    wait_until(is_ready, what="it runs")
    system.stop()

    assert log.read_text().splitlines()[-1] == "000399999"


def test_the_last_lines_of_a_program_that_ended_are_shown(tmp_path):
    system = LocalSystem(tmp_path, cwd=tmp_path)
    system.start(Program("web", [sys.executable, "-c", "import sys; sys.exit('it cannot start')"]))

    with pytest.raises(Exception, match=r"web ended with exit code 1(?s:.*)it cannot start"):
        system.wait_until(lambda: False, seconds=WAIT_SECONDS)
    system.stop()
