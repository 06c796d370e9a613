"""Connections to Stripe's API: shared by all threads, dropped when they were idle, through the environment's proxy."""

import base64
import json
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from payments.providers.stripe import transport
from payments.providers.stripe.api import ask, object_path
from payments.tests.support.shop_payments import SECONDS, use_stripe_at

INTENT = {"id": "pi_1", "object": "payment_intent"}


@dataclass
class Server:
    """A server that keeps its connections open; it counts them, and remembers the requests' heads."""

    connections: int = 0
    heads: list[str] = field(default_factory=list)
    address: str = ""


@pytest.fixture(scope="module")
def shared_server():
    served, body = Server(), json.dumps(INTENT).encode()
    answer = f"HTTP/1.1 200 OK\r\nSet-Cookie: seen=1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            served.connections += 1
            while line := self.rfile.readline():
                head = line
                while (line := self.rfile.readline()).strip():
                    head += line
                served.heads.append(head.decode())
                self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        served.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield served
        transport.connections.cache_clear()
        server.shutdown()
        thread.join()


@pytest.fixture
def server(shared_server, settings, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    transport.connections.cache_clear()
    use_stripe_at(f"http://{shared_server.address}", settings)
    shared_server.connections, shared_server.heads = 0, []
    yield shared_server
    transport.connections.cache_clear()


def look_up() -> dict:
    return ask("get", "/v1/payment_intents/pi_1", seconds=SECONDS)


def test_threads_share_connections_and_cookies_are_not_kept(server):
    for _ in range(3):
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(look_up).result() == INTENT

    assert (server.connections, len(server.heads)) == (1, 3)
    assert "cookie" not in "".join(server.heads).lower()


def test_an_id_names_one_object_whatever_is_in_it(server):
    ask("post", object_path("/v1/payment_intents", "pi_1/../../refunds?a=b", "cancel"), seconds=SECONDS)

    assert server.heads[0].startswith("POST /v1/payment_intents/pi_1%2F..%2F..%2Frefunds%3Fa%3Db/cancel HTTP/1.1")


def test_a_connection_that_was_idle_for_long_is_not_used_again(server, monkeypatch):
    look_up()
    monkeypatch.setattr(transport, "MAX_IDLE_SECONDS", -1)

    assert look_up() == INTENT

    assert server.connections == 2


def test_requests_go_through_the_proxy_of_the_environment(server, settings, monkeypatch):
    settings.STRIPE_API_BASE = "http://api.stripe.invalid"
    monkeypatch.setenv("HTTP_PROXY", f"http://buyer:a%40b@{server.address}")

    assert look_up() == INTENT

    [head] = server.heads
    assert head.startswith("GET http://api.stripe.invalid/v1/payment_intents/pi_1 HTTP/1.1\r\n")
    assert f"proxy-authorization: basic {base64.b64encode(b'buyer:a@b').decode()}".lower() in head.lower()


def test_what_needs_no_proxy_goes_directly(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert look_up() == INTENT
