"""The web server: it replaces processes that were killed, and refuses a port that another server has."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from flashsale import server
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, children_of, free_port, start, wait_until
from flashsale.tests.support.web import database_url

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
KILLS = 4
# A process that asks its event loop to wake more often than a socket has room for, and is then told to stop.
STOPPED_WHILE_WOKEN = """
import os, signal, sys
from granian._loops import loops
loop = loops.get(sys.argv[1])
loop.add_signal_handler(signal.SIGTERM, lambda: (print("told to stop"), loop.stop()))

def stop_while_woken():
    for _ in range(5_000):
        loop.call_soon_threadsafe(lambda: None)
    os.kill(os.getpid(), signal.SIGTERM)
    loop.call_soon(loop.call_soon, loop.call_later, 0.5, loop.stop)

loop.call_soon(stop_while_woken)
loop.run_forever()
"""


def environment_of(port: int, **variables: str) -> dict[str, str]:
    """Return the environment of `python -m flashsale.server` on the tests' database."""
    own = {"DATABASE_URL": database_url(), "DATABASE_POOL_MAX": "2", "WEB_HOST": "127.0.0.1", "PORT": str(port)}
    return os.environ | own | {"WEB_WORKERS": "1", "LOG_FORMAT": "text"} | variables


def answers(port: int) -> bool:
    """Say whether a server answers there."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def kill_as_soon_as_it_lives(process: subprocess.Popen) -> None:
    """Kill the server's only worker process once it exists; return when the server ended or has another."""
    wait_until(lambda: process.poll() is not None or children_of(process.pid), what="a worker process is there")
    if process.poll() is None:
        [worker] = children_of(process.pid)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: process.poll() is not None or children_of(process.pid) not in ([worker], []))


@pytest.fixture
def web(tmp_path):
    """A function that starts a server; it is stopped at the end."""
    started = []

    def begin(*argv: str, environment: dict[str, str]) -> subprocess.Popen:
        with (tmp_path / f"log-{len(started)}").open("w") as log:
            started.append(start(sys.executable, *argv, environment=environment, stdout=log, stderr=log))
        return started[-1]

    yield begin
    for process in started:
        process.terminate()
        process.wait(WAIT_SECONDS)


def test_a_killed_process_is_replaced_each_time(web):
    port = free_port()
    process = web("-m", "flashsale.server", environment=environment_of(port))
    wait_until(lambda: answers(port), what="the server answers")

    for _ in range(KILLS):
        kill_as_soon_as_it_lives(process)

    wait_until(lambda: answers(port), what="the server answers again")
    assert process.poll() is None


def test_control_granian_itself_ends(web):
    port = free_port()
    argv = server.argv(host="127.0.0.1", port=port, workers=1)
    argv[argv.index("flashsale.web.granian")] = "granian"
    process = web(*argv[1:], environment=environment_of(port))
    wait_until(lambda: answers(port), what="the server answers")

    for _ in range(KILLS):
        kill_as_soon_as_it_lives(process)

    wait_until(lambda: process.poll() is not None, what="the server ended")
    assert process.poll() != 0


def test_it_stops_at_once_while_a_process_waits_to_be_replaced(web):
    port = free_port()
    process = web("-m", "flashsale.server", environment=environment_of(port))
    wait_until(lambda: answers(port), what="the server answers")
    kill_as_soon_as_it_lives(process)
    [worker] = children_of(process.pid)
    os.kill(worker, signal.SIGKILL)

    process.terminate()

    assert process.wait(WAIT_SECONDS) in (0, 1)


def test_a_server_that_cannot_load_the_application_ends(web, tmp_path):
    process = web("-m", "flashsale.server", environment=environment_of(free_port(), API_ACCESS="nonsense"))

    assert process.wait(WAIT_SECONDS) != 0
    assert "API_ACCESS" in (tmp_path / "log-0").read_text()


def test_a_port_on_which_another_server_answers_is_refused_in_one_sentence(web):
    port = free_port()
    web("-m", "flashsale.server", environment=environment_of(port))
    wait_until(lambda: answers(port), what="the first answers")

    for host in ("127.0.0.1", "0.0.0.0"):
        environment = environment_of(port, WEB_HOST=host)
        second = subprocess.run(
            [sys.executable, "-m", "flashsale.server"],
            cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

        assert second.returncode == 1
        assert re.fullmatch(
            rf"flashsale\.server: Port {port} of {host} cannot be used \(Address already in use\): [^\n]+\n",
            second.stderr,
        )
        assert second.stdout == ""


def test_of_two_servers_that_start_at_once_one_is_refused(web, tmp_path):
    port = free_port()
    both = [web("-m", "flashsale.server", environment=environment_of(port)) for _ in range(2)]

    wait_until(lambda: any(server.poll() is not None for server in both), what="one ended")
    wait_until(lambda: answers(port), what="the other answers")

    assert sorted(server.poll() is None for server in both) == [False, True]
    assert [server.poll() for server in both if server.poll() is not None] == [1]
    said = "".join((tmp_path / f"log-{number}").read_text() for number in range(2))
    assert f"Port {port} of 127.0.0.1 cannot be used (Address already in use)" in said


def test_a_port_is_shared_where_a_setting_says_so(web):
    port = free_port()
    first = web("-m", "flashsale.server", environment=environment_of(port))
    wait_until(lambda: answers(port), what="the first answers")
    second = web("-m", "flashsale.server", environment=environment_of(port, REUSE_PORT="1"))
    wait_until(lambda: children_of(second.pid), what="the second has a process")

    first.terminate()
    first.wait(WAIT_SECONDS)

    wait_until(lambda: answers(port), what="the second answers")
    assert second.poll() is None


def test_a_connection_that_was_just_closed_does_not_keep_a_port(web):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            # The side that closes first waits in TIME_WAIT.
            listener.accept()[0].close()

    web("-m", "flashsale.server", environment=environment_of(port))

    wait_until(lambda: answers(port), what="the server answers")


def told_to_stop(loop: str) -> bool:
    """Say whether this kind of event loop receives the signal to stop while many threads wake it."""
    argv = [sys.executable, "-c", STOPPED_WHILE_WOKEN, loop]
    answer = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_SECONDS, check=True)
    return "told to stop" in answer.stdout


def test_a_process_that_many_threads_wake_receives_the_signal_to_stop():
    argv = server.argv(host="127.0.0.1", port=free_port())

    assert told_to_stop(argv[argv.index("--loop") + 1])


def test_control_the_loop_of_asyncio_loses_the_signal():
    assert not told_to_stop("asyncio")
