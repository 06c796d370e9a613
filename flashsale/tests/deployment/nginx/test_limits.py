"""What one client may send: how often, how much, and how slowly."""

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from flashsale.tests.support.deployed import refusal_of
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.django_db

BURST = 200
WEBHOOK_BURST = 1000


def until_one_is_refused(pool: ThreadPoolExecutor, ask: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Send bursts above the limit until an answer is not 200; a slow machine needs several."""
    answers: list[httpx.Response] = []
    while len(answers) < 20 * BURST and not any(answer.status_code != 200 for answer in answers):
        answers += pool.map(lambda _: ask(), range(2 * BURST))
    return answers


def test_a_flood_from_one_address_is_refused_and_others_are_served(shop):
    with shop.proxy.client("127.0.0.2") as flood, ThreadPoolExecutor(8) as pool:
        answers = until_one_is_refused(pool, lambda: flood.get("/livez"))
    with shop.proxy.client("127.0.0.3") as other:
        other_answer = other.get("/api/v1/products")

    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) <= len(answers) - BURST
    assert {refusal_of(answer) for answer in refused} == {(429, "throttled")}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert other_answer.status_code == 200


def test_a_sample_of_the_refused_requests_is_logged(shop):
    with shop.proxy.client("127.0.1.7") as flood, ThreadPoolExecutor(8) as pool:
        answers = until_one_is_refused(pool, lambda: flood.get("/livez"))
    served = sum(answer.status_code == 200 for answer in answers)

    def logged() -> list[int]:
        lines = [json.loads(line) for line in shop.proxy.log.read_text().splitlines()]
        return [line["status"] for line in lines if line["client"] == "127.0.1.7"]

    wait_until(lambda: logged().count(200) == served, what="all served requests are logged")
    assert logged().count(429) < 0.5 * (len(answers) - served)


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("127.0.1.1", {"Authorization": "x"}),
        ("127.0.1.2", {"Authorization": "Bearer x"}),
        ("127.0.1.3", {"Authorization": f"Bearer {'x' * 8}.{'y' * 32}"}),
        ("127.0.1.4", {"X-Forwarded-For": "127.0.0.5", "Forwarded": "for=127.0.0.5", "X-Real-IP": "127.0.0.5"}),
        ("127.0.1.5", {"Webhook-Signature": "v1,x", "Stripe-Signature": "t=1,v1=x"}),
    ],
)
def test_no_header_lifts_the_limit(shop, address, headers):
    with shop.proxy.client(address, **headers) as flood, ThreadPoolExecutor(8) as pool:
        statuses = {answer.status_code for answer in until_one_is_refused(pool, lambda: flood.get("/livez"))}

    assert 429 in statuses


def test_an_address_that_is_listed_has_a_higher_limit(shop):
    with shop.proxy.client("127.0.0.5") as partner, ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(lambda _: partner.get("/livez").status_code, range(2 * BURST)))

    assert statuses == {200}


def test_webhooks_are_limited_by_address_as_well(shop):
    with shop.proxy.client("127.0.1.6") as flood, ThreadPoolExecutor(8) as pool:

        def post(_: int) -> httpx.Response:
            return flood.post("/api/v1/payments/webhook", json={})

        answers = list(pool.map(post, range(3 * WEBHOOK_BURST)))
        elsewhere = flood.get("/livez")

    refused = [answer for answer in answers if answer.status_code != 401]
    assert 0 < len(refused) <= 2 * WEBHOOK_BURST
    assert {refusal_of(answer) for answer in refused} == {(429, "throttled")}
    assert elsewhere.status_code == 200


def test_behind_a_load_balancer_each_ipv6_network_has_a_limit_of_its_own(shop):
    with shop.proxy.client("127.0.0.9") as balancer, shop.proxy.client("127.0.0.4") as liar:

        def ask(client: httpx.Client, address: str) -> httpx.Response:
            return client.get("/livez", headers={"X-Forwarded-For": address})

        with ThreadPoolExecutor(8) as pool:
            same = list(pool.map(lambda host: ask(balancer, f"2001:db8:0:1:{host:x}::1"), range(2 * BURST)))
        neighbour, lied = ask(balancer, "2001:db8:0:2::1"), ask(liar, "2001:db8:0:1::1")

    assert {answer.status_code for answer in same} == {200, 429}
    assert [neighbour.status_code, lied.status_code] == [200, 200]
    assert shop.proxy.logged(neighbour)["client"] == "2001:db8:0:2::1"
    assert shop.proxy.logged(lied)["client"] == "127.0.0.4"


def test_behind_a_load_balancer_each_ipv4_client_has_a_limit_of_its_own_also_as_a_mapped_address(shop):
    with shop.proxy.client("127.0.0.9") as balancer:

        def ask(address: str) -> httpx.Response:
            return balancer.get("/livez", headers={"X-Forwarded-For": address})

        with ThreadPoolExecutor(8) as pool:
            same = list(pool.map(ask, ["::ffff:203.0.113.7", "203.0.113.7"] * BURST))
        other = ask("::ffff:203.0.113.8")

    assert {answer.status_code for answer in same} == {200, 429}
    assert other.status_code == 200


@pytest.mark.parametrize("size", [300 * 1024, 2 * 1024 * 1024], ids=["the application's limit", "nginx's limit"])
def test_a_body_that_is_too_large_is_refused(client, size):
    headers = {"Content-Type": "application/json"}

    assert refusal_of(client.post("/api/v1/holds", content=b" " * size, headers=headers)) == (413, "payload_too_large")


def test_a_header_or_a_path_that_is_too_long_is_refused(client):
    assert refusal_of(client.get("/api/v1/products", headers={"X-Long": "x" * 10_000})) == (400, "invalid")
    assert refusal_of(client.get(f"/api/v1/products?{'x' * 10_000}")) == (400, "invalid")


def test_a_slow_header_times_out_while_other_clients_are_served(shop, client):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", shop.proxy.port)) as slow:
        slow.settimeout(0.2)  # the pace of the trickle
        slow.sendall(b"GET /api/v1/products HTTP/1.1\r\nX: ")
        while True:
            assert time.monotonic() - started < WAIT_SECONDS, "the server kept the connection open"
            assert client.get("/livez").status_code == 200
            try:
                slow.sendall(b"x")
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break

    assert time.monotonic() - started > 0.9
