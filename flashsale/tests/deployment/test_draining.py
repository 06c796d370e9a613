"""A web process that is told to stop drains: no connection is closed while a request may be under way on it."""

import os
import re
import signal
import subprocess
import sys

import pytest

from flashsale import server
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, children_of, free_port, start, stop, wait_until
from flashsale.tests.support.web import Line, database_url, head_of

LIVENESS = head_of("GET /livez")
SYN_SENT = 2
# What a proxy sees of a socket on which no further handshakes may begin, and then of one that is closed without that.
HANDSHAKES = f"""
import socket
from flashsale.web import draining

def listener_with_a_queue():
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, socket.create_connection(listener.getsockname())

listener, queued = listener_with_a_queue()
draining.drop_new_connections()
late = socket.socket()
late.setblocking(False)
late.connect_ex(listener.getsockname())
closed, reset = listener_with_a_queue()
print("handshake has not begun:", late.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([{SYN_SENT}]))
late.close()

queued.sendall(b"request")
accepted, address = listener.accept()[0], listener.getsockname()
listener.close()
print("received:", accepted.recv(100).decode())
try:
    socket.create_connection(address)
except ConnectionRefusedError:
    print("refused")

reset.sendall(b"request")
closed.close()
try:
    reset.recv(1)
except ConnectionResetError:
    print("reset")
"""


def answers(port: int) -> bool:
    """Say whether a new connection to the server is answered."""
    try:
        return "connection" not in answer_on_a_new_connection(port)
    except OSError:
        return False


def answer_on_a_new_connection(port: int) -> dict[str, str]:
    """Return the headers of an answer."""
    with Line(port) as line:
        line.send(LIVENESS)
        return line.answer()[1]


def test_nginx_gives_up_an_idle_connection_before_the_end_of_the_drain():
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    upstreams = re.findall(r"^ +upstream \w+ \{(.*?)\}", text, re.M | re.S)

    kept = [int(seconds) for upstream in upstreams for seconds in re.findall(r"keepalive_timeout (\d+)s;", upstream)]

    assert len(kept) == len(upstreams) == 3
    assert max(kept) < server.DRAIN_SECONDS


@pytest.mark.django_db(transaction=True)
def test_an_idle_connection_is_answered_once_more_before_it_is_closed():
    port = free_port()
    environment = os.environ | {"DATABASE_URL": database_url(), "DATABASE_POOL_MAX": "2", "WEB_DRAIN_SECONDS": "60"}
    argv = server.argv(host="127.0.0.1", port=port, workers=1, drain_seconds=60)
    web = start(*argv, environment=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), what="the server answers")
        [worker] = children_of(web.pid)
        with Line(port) as kept, Line(port) as unused:
            for line in (kept, unused):
                line.send(LIVENESS)
                assert "connection" not in line.answer()[1]

            web.terminate()
            wait_until(lambda: answer_on_a_new_connection(port).get("connection") == "close", what="it drains")
            kept.send(LIVENESS)

            status, headers, _ = kept.answer()
            assert (status, headers["connection"], kept.is_closed()) == (200, "close", True)
            # The control: what the end of the drain does to a connection that is still kept.
            os.kill(worker, signal.SIGINT)
            assert unused.is_closed()
        assert web.wait(WAIT_SECONDS) == 0
    finally:
        web.kill()
        stop(web)


@pytest.mark.skipif(sys.platform != "linux", reason="socket filters are Linux's")
def test_connections_in_the_queue_of_a_listening_socket_are_served_before_it_is_closed():
    seen = subprocess.run(
        [sys.executable, "-c", HANDSHAKES], capture_output=True, text=True, check=False, timeout=WAIT_SECONDS
    )

    assert seen.stdout.splitlines() == ["handshake has not begun: True", "received: request", "refused", "reset"]
