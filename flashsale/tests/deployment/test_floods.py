"""A flood of requests of one kind does not keep other requests from being answered.

On a real server. The time limits are generous; without bulkheads no answer would come within them.
"""

import contextlib
import http.client
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale import server
from flashsale.tests.support.processes import WAIT_SECONDS, free_port, start, wait_until
from flashsale.tests.support.web import database_url

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]

CLAIMANTS = 80
# Below the time after which a waiting hold request gets `busy` and frees its thread (flashsale/core/batching).
ANSWER_SECONDS = 2.5
ROUNDS = 10
# One process's part of 300 buyers (flashsale/core/capacity/shares.py).
BUYERS = 150


@pytest.fixture
def shop(tmp_path):
    """A server as in `make run`, whose hold requests may wait long for a row lock."""
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": database_url(), "DATABASE_LOCK_TIMEOUT_MS": "8000", "DATABASE_STATEMENT_TIMEOUT_MS": "9000",
    }  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        process = start(
            *server.argv(host="127.0.0.1", port=port, workers=1), environment=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/api/v1"
    wait_until(lambda: process.poll() is None and answers(f"http://127.0.0.1:{port}/readyz"), what="the server answers")
    yield url
    process.terminate()
    process.wait(WAIT_SECONDS)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def waiting_for_locks() -> int:
    with psycopg.connect(database_url(), autocommit=True) as session:
        return session.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()[0]


@pytest.mark.parametrize("products", [1, 16], ids=["one product", "sixteen products"])
def test_while_stock_is_locked_product_pages_and_orders_are_answered(shop, products):
    wanted = [ProductFactory(stock=1_000) for _ in range(products)]
    given_up = [HoldFactory(product=product) for product in wanted]
    other, order = ProductFactory(), OrderFactory(product=wanted[0])
    hold = HoldFactory(product=other)
    asked = [("POST", "/holds", {"product_id": wanted[n % products].pk, "quantity": 1}) for n in range(CLAIMANTS)]
    asked += [("DELETE", f"/holds/{hold.pk}", None) for hold in given_up]

    with (
        psycopg.connect(database_url()) as locker, ThreadPoolExecutor(len(asked)) as pool,
        httpx.Client(base_url=shop, timeout=ANSWER_SECONDS, trust_env=False) as client,
    ):  # fmt: skip
        locker.execute("SELECT 1 FROM catalog_stock FOR UPDATE")
        claims = [pool.submit(request, shop, *one) for one in asked]
        wait_until(lambda: waiting_for_locks() > 0, what="a claimant waits for the row")
        pages = [f"/products/{wanted[0].pk}", f"/products/{other.pk}", "/products", f"/orders/{order.pk}"]
        statuses = {client.get(path).status_code for _ in range(ROUNDS) for path in pages}
        placed = client.post("/orders", json={"hold_id": str(hold.pk)}).status_code
        is_locked = waiting_for_locks() > 0
        locker.rollback()
        wait(claims)

    assert (statuses, placed) == ({200}, 201)
    assert is_locked
    assert {claim.result() for claim in claims} <= {201, 204, 503}
    assert Stock.objects.get(pk=other.pk).reserved == 1
    assert audit.find_drift() == []


def request(url: str, method: str, path: str, body: dict | None) -> int:
    return httpx.request(method, url + path, json=body, timeout=60, trust_env=False).status_code


def test_sixty_four_clients_of_one_process_never_get_busy(shop):
    product = ProductFactory(stock=10_000)
    wanted = {"product_id": product.pk, "quantity": 1}

    def buy(_: int) -> list[int]:
        with httpx.Client(base_url=shop, timeout=60, trust_env=False) as client:
            return [client.post("/holds", json=wanted).status_code for _ in range(10)]

    with ThreadPoolExecutor(64) as pool:
        statuses = {status for answers in pool.map(buy, range(64)) for status in answers}

    assert statuses == {201}
    assert Hold.objects.count() == 640


def test_buyers_who_order_and_pay_at_the_same_moment_never_get_busy(shop):
    product = ProductFactory(stock=1_000)
    holds = [HoldFactory(product=product) for _ in range(BUYERS)]

    ordered = at_once(shop, "/orders", [{"hold_id": str(hold.pk)} for hold in holds])
    orders = list(Order.objects.values_list("pk", flat=True))
    paid = at_once(
        shop,
        "/payments/webhook",
        [{"idempotency_key": f"evt_{pk}", "status": "success", "order_id": str(pk)} for pk in orders],
    )

    assert Counter(ordered) == {201: BUYERS}
    assert Counter(paid) == {200: BUYERS}
    assert Stock.objects.get(pk=product.pk).sold == BUYERS


def at_once(url: str, path: str, bodies: list[dict]) -> list[int]:
    """Send requests at the same moment, each on a connection that is open already; return their statuses."""
    server_address = urlsplit(url)
    connections = [http.client.HTTPConnection(server_address.hostname, server_address.port, timeout=60) for _ in bodies]
    for connection in connections:
        connection.connect()
    for connection, body in zip(connections, bodies, strict=True):
        connection.request("POST", server_address.path + path, json.dumps(body), {"Content-Type": "application/json"})
    statuses = []
    for connection in connections:
        with contextlib.closing(connection):
            statuses.append(connection.getresponse().status)
    return statuses
