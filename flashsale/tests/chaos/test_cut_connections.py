"""The connection to PostgreSQL is cut at every point of placing a hold, ordering, and receiving a payment."""

import json
import uuid
from collections.abc import Callable

import httpx
import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Hold, Order
from flashsale.tests.chaos.proxy import CutAt
from flashsale.tests.chaos.shop import open_shop
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from payments.inbox import processing
from payments.models import Payment, WebhookEvent

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
MAX_POINTS = 60

Send = Callable[[], httpx.Response]


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker, tmp_path_factory):
    """A shop whose one process has one thread and one connection, so that the points can be counted."""
    with django_db_blocker.unblock():
        folder = tmp_path_factory.mktemp("shop")
        with open_shop(folder, "web", workers=1, requests=1, connections=1) as opened:
            yield opened


@pytest.fixture
def client(shop):
    """A client of that shop."""
    with httpx.Client(base_url=f"{shop.url}/api/v1", timeout=WAIT_SECONDS, trust_env=False) as opened:
        yield opened


def cut_everywhere(shop, client, prepare: Callable[[], Send], check: Callable[[httpx.Response, httpx.Response], None]):
    """Cut at each point in turn, before the statement arrives and before its answer does; then ask again, undisturbed.

    `check` gets the answers of both tries. Ends at the first point that the request does not reach any more.
    """
    points = 0
    for answered in (False, True):
        for number in range(MAX_POINTS):
            send = prepare()
            # The process has a connection, and has checked its health.
            client.get("/orders/5b2f3a44-8f3f-4f0e-9a3c-111111111111")
            with shop.database.doing(CutAt(number, answered=answered)) as cut:
                first = send()
            if not cut.has_cut:
                break
            points += 1
            assert first.status_code in {200, 201, 202, 503}, first.text
            if first.status_code == 503:
                assert first.json()["code"] in {"busy", "outcome_unknown"}
                assert first.headers["Retry-After"]
            check(first, send())
            assert audit.find_drift() == []
        else:
            pytest.fail(f"more than {MAX_POINTS} points")
    return points


def keyed(client, path: str, body: dict) -> Send:
    """A request with an idempotency key."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return lambda: client.post(path, json=body, headers=headers)


def test_a_hold_is_placed_once_wherever_the_connection_is_cut(shop, client):
    product = ProductFactory(stock=1000)

    def check(first, second):
        assert second.status_code == 201, second.text
        made = Hold.objects.filter(product=product).order_by("-created_at")
        assert made[0].pk == uuid.UUID(second.json()["hold_id"])
        assert Stock.objects.get(pk=product.pk).reserved == made.count()
        if first.status_code == 503 and first.json()["code"] == "busy":
            assert "Idempotent-Replayed" not in second.headers, "it said that nothing was done"

    before = Hold.objects.count()
    points = cut_everywhere(
        shop, client, lambda: keyed(client, "/holds", {"product_id": product.pk, "quantity": 1}), check
    )

    assert points >= 6
    # One for each point, and one for each of the two requests that were not cut.
    assert Hold.objects.count() - before == points + 2


def test_an_order_is_made_once_wherever_the_connection_is_cut(shop, client):
    product = ProductFactory(stock=1000)

    def prepare() -> Send:
        hold = client.post("/holds", json={"product_id": product.pk, "quantity": 1}).json()
        return keyed(client, "/orders", {"hold_id": hold["hold_id"]})

    def check(first, second):
        assert second.status_code == 201, second.text
        assert Order.objects.filter(hold_id=second.json()["hold_id"]).count() == 1
        if first.status_code == 503 and first.json()["code"] == "busy":
            assert "Idempotent-Replayed" not in second.headers, "it said that nothing was done"

    assert cut_everywhere(shop, client, prepare, check) >= 10


def test_a_payment_is_taken_once_wherever_the_connection_is_cut(shop, client):
    product = ProductFactory(stock=1000)

    def prepare() -> Send:
        hold = client.post("/holds", json={"product_id": product.pk, "quantity": 1}).json()
        order = client.post("/orders", json={"hold_id": hold["hold_id"]}).json()
        key = str(uuid.uuid4())
        event = {"idempotency_key": key, "status": "success", "order_id": order["order_id"], "payment_id": f"pay_{key}"}
        return lambda: client.post("/payments/webhook", content=json.dumps(event), headers=JSON)

    def check(first, second):
        if first.is_success:
            assert second.headers["Idempotent-Replayed"] == "true", "a 2xx means that it was stored"
        assert second.is_success, second.text
        wait_until(lambda: settle(second.json()["idempotency_key"]), what="the event is settled")
        event = WebhookEvent.objects.get(event_id=second.json()["idempotency_key"])
        assert (event.status, event.reason) == ("applied", "order_paid")
        assert Payment.objects.filter(event=event).count() == 1
        assert Order.objects.get(pk=event.order_ref).status == "paid"

    assert cut_everywhere(shop, client, prepare, check) >= 12
    paid = Order.objects.filter(product=product, status="paid").count()
    assert Stock.objects.get(pk=product.pk).sold == paid


JSON = {"Content-Type": "application/json"}


def settle(event_id: str) -> bool:
    """Do the worker's work for an event that was left open, as if its time had come; says whether it is done."""
    left_open = WebhookEvent.objects.filter(event_id=event_id, status__in=["received", "failed"])
    for event in left_open:
        processing.process([event])
    return not left_open.exists()
