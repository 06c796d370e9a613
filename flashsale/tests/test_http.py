"""The API over real HTTP, on the real server with several worker processes."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.tests.support.processes import (
    WAIT_SECONDS,
    children_of,
    free_port,
    parent_of,
    processes_naming,
    start,
    stop,
    wait_until,
)
from flashsale.tests.support.web import database_url
from payments.models import Payment, WebhookEvent

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
CLIENTS = 50
WORKERS = 3


@pytest.fixture(scope="module")
def url(django_db_setup, tmp_path_factory):
    """The address of a server with several workers on the tests' database."""
    port = free_port()
    log = (tmp_path_factory.mktemp("server") / "log").open("w")
    argv = ["granian", "--interface", "rsgi", "--no-ws", "flashsale.rsgi:application", "--host", "127.0.0.1"]
    argv += ["--port", str(port), "--workers", str(WORKERS), "--respawn-failed-workers"]
    argv += ["--workers-kill-timeout", "5"]
    environment = {"DATABASE_URL": database_url(), "DATABASE_POOL_MAX": "8"}
    server = start(sys.executable, "-m", *argv, environment=os.environ | environment, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, f"the server ended; see {log.name}"
        try:
            return httpx.get(f"{base}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, what="the server answers")
    yield base
    stop(server)


@pytest.fixture
def crowd(url):
    """Returns a function that sends (method, path, body) requests from many clients at once, one answer for each."""
    clients = [httpx.Client(base_url=f"{url}/api/v1", timeout=WAIT_SECONDS) for _ in range(CLIENTS)]

    def send(number: int, request: tuple) -> httpx.Response | None:
        method, path, body = request
        try:
            return clients[number % CLIENTS].request(method, path, json=body)
        except httpx.TransportError:
            return None

    def all_at_once(requests: list[tuple]) -> list[httpx.Response | None]:
        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(send, range(len(requests)), requests))

    yield all_at_once
    for client in clients:
        client.close()


def chunked(text: str):
    """A body without a Content-Length: httpx sends it in chunks."""
    yield text[:10].encode()
    yield text[10:].encode()


def test_a_body_in_chunks_is_read_like_any_other(url):
    product = ProductFactory(stock=5)
    json = {"Content-Type": "application/json"}
    wanted = f'{{"product_id": {product.pk}, "quantity": 1}}'

    held = httpx.post(f"{url}/api/v1/holds", content=chunked(wanted), headers=json)
    order = httpx.post(
        f"{url}/api/v1/orders", content=chunked(f'{{"hold_id": "{held.json()["hold_id"]}"}}'), headers=json
    )
    paid = f'{{"idempotency_key": "evt_1", "status": "success", "order_id": "{order.json()["order_id"]}"}}'
    receipt = httpx.post(f"{url}/api/v1/payments/webhook", content=chunked(paid), headers=json)

    assert [held.status_code, order.status_code, receipt.status_code] == [201, 201, 200]
    assert receipt.json()["order_status"] == "paid"


@pytest.mark.parametrize("path", ["holds", "payments/webhook"])
def test_a_body_in_chunks_may_not_be_larger_than_any_other(url, path):
    too_long = '{"product_id": 1, "quantity": 1}' + " " * (256 * 1024)

    answer = httpx.post(f"{url}/api/v1/{path}", content=chunked(too_long), headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def tally(responses) -> dict[str, int]:
    found: dict[str, int] = {}
    for response in responses:
        name = str(response.status_code) if response.is_success else response.json()["code"]
        found[name] = found.get(name, 0) + 1
    return found


@pytest.mark.parametrize(("wanting", "stock"), [(50, 10), (25, 20)])
def test_no_more_holds_than_units(crowd, wanting, stock):
    product = ProductFactory(stock=stock)

    responses = crowd([("POST", "/holds", {"product_id": product.pk, "quantity": 1})] * wanting)

    assert tally(responses) == {"201": stock, "insufficient_stock": wanting - stock}
    assert Stock.objects.get().reserved == stock
    assert audit.find_drift() == []


def test_a_thousand_requests_of_mixed_quantities_do_not_oversell_a_hundred_units(crowd):
    product = ProductFactory(stock=100)
    quantities = [1, 2, 3, 7, 10] * 200

    responses = crowd([("POST", "/holds", {"product_id": product.pk, "quantity": q}) for q in quantities])

    granted = {r.json()["hold_id"]: r.json()["quantity"] for r in responses if r.status_code == 201}
    assert set(tally(responses)) <= {"201", "insufficient_stock", "busy"}
    assert sum(granted.values()) == 100
    assert {str(pk) for pk in Hold.objects.values_list("pk", flat=True)} == set(granted)
    assert Stock.objects.get().reserved == 100
    assert audit.find_drift() == []


def test_parallel_orders_of_one_hold_make_one_order(crowd):
    hold = HoldFactory(product=ProductFactory(), quantity=2)

    responses = crowd([("POST", "/orders", {"hold_id": str(hold.pk)})] * 30)

    assert tally(responses) == {"201": 1, "hold_already_used": 29}
    assert Order.objects.count() == 1
    assert audit.find_drift() == []


def test_the_same_webhook_many_times_at_once_pays_once(crowd):
    order = OrderFactory(product=ProductFactory(), quantity=2)
    event = {"idempotency_key": "evt_1", "status": "success", "order_id": str(order.pk), "payment_id": "pay_1"}

    responses = crowd([("POST", "/payments/webhook", event)] * 30)

    assert tally(responses) == {"200": 30}
    assert sum("Idempotent-Replayed" not in response.headers for response in responses) == 1
    assert Payment.objects.count() == 1
    assert Stock.objects.get().sold == 2
    assert audit.find_drift() == []


def test_webhooks_that_race_with_the_creation_of_their_orders_are_all_applied(crowd):
    product = ProductFactory(stock=40)
    made = [HoldFactory(product=product) for _ in range(40)]
    requests = []
    for hold in made:
        event = {"idempotency_key": str(uuid4()), "status": "success", "hold_id": str(hold.pk), "amount": "29.99"}
        requests += [("POST", "/orders", {"hold_id": str(hold.pk)}), ("POST", "/payments/webhook", event)]

    responses = crowd(requests)

    assert all(response.status_code in {200, 201, 202} for response in responses)
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"applied"}
    assert Stock.objects.get().sold == 40
    assert audit.find_drift() == []


def test_a_product_page_is_right_after_every_answer(url):
    product = ProductFactory(stock=20)
    with httpx.Client(base_url=f"{url}/api/v1") as client:
        for left in range(19, -1, -1):
            client.get(f"/products/{product.pk}")
            client.post("/holds", json={"product_id": product.pk, "quantity": 1})

            assert client.get(f"/products/{product.pk}").json()["available_stock"] == left


def test_at_its_deadline_a_hold_is_available_to_the_next_buyer_without_any_worker(url):
    product = ProductFactory(stock=2)
    wanted = {"product_id": product.pk, "quantity": 2}
    with httpx.Client(base_url=f"{url}/api/v1") as client:

        def left() -> int:
            return client.get(f"/products/{product.pk}").json()["available_stock"]

        first = client.post("/holds", json=wanted | {"ttl": 10}).json()
        assert left() == 0
        assert client.post("/holds", json=wanted).status_code == 409

        wait_until(lambda: left() == 2, what="the product page shows the units")

        assert client.get(f"/holds/{first['hold_id']}").json()["status"] == "expired"
        assert client.post("/holds", json=wanted).status_code == 201
    assert audit.find_drift() == []


def test_killing_a_worker_process_loses_nothing_that_was_answered(url, crowd):
    product = ProductFactory(stock=500)
    [server] = [pid for pid in processes_naming(f"--port\0{url.rpartition(':')[2]}") if parent_of(pid) == os.getpid()]
    worker = children_of(server)[-1]

    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(crowd, [("POST", "/holds", {"product_id": product.pk, "quantity": 1})] * 400)
        wait_until(lambda: Hold.objects.count() > 50, what="the load is under way")
        os.kill(worker, signal.SIGKILL)
        responses = load.result()

    answered = {r.json()["hold_id"] for r in responses if r is not None and r.status_code == 201}
    stored = {str(pk) for pk in Hold.objects.values_list("pk", flat=True)}
    assert answered <= stored
    # At most one request of each client was in progress.
    assert len(stored - answered) <= CLIENTS
    assert audit.find_drift() == []
