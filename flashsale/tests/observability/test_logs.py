"""The log has every event of a sale, and no secrets, tokens, bodies or customer ids."""

import json
import logging
import re
import time

import httpx
import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

from catalog import inventory
from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import holds, orders, tasks
from checkout.models import Hold
from checkout.orders.requests import OrderRequest
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from checkout.views import HoldViewSet
from flashsale.core import events
from flashsale.core.transactions import retrying_transaction
from flashsale.observability import logs
from flashsale.tests.chaos.shop import open_shop
from flashsale.tests.support.log_lines import logged
from flashsale.tests.support.processes import PROJECT, wait_until
from flashsale.tests.support.web import database_url
from payments import inbox
from payments.models import WebhookEvent
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db(transaction=True)

SECRETS = ("customer-of-mine", "cart-of-mine", "a-key-of-mine-0123", "super-secret-token", "v1,")


@pytest.fixture
def lines():
    """Everything that is logged during the test."""
    with logged() as handler:
        yield handler


def buy(api, product, **extra):
    hold = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1, "customer_id": "customer-of-mine"})
    body = {"hold_id": hold.json()["hold_id"], "metadata": {"cart-of-mine": "cart-of-mine"}}
    order = api.post("/api/v1/orders", body, headers={"Idempotency-Key": "a-key-of-mine-0123"} | extra)
    return hold, order


def test_the_log_has_every_event_of_a_sale(api, lines):
    product = ProductFactory(stock=1)
    hold, order = buy(api, product)
    refused = [api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1}) for _ in range(3)]
    event = {"key": "evt_1", "order_id": order.json()["order_id"], "payment_id": "pay_1"}
    receive(**event)
    receive(**event)

    [placed], [ordered] = lines.named("hold_placed"), lines.named("order_placed")
    assert (placed["hold_id"], placed["product_id"]) == (hold.json()["hold_id"], product.pk)
    assert placed["request_id"] == hold.headers["X-Request-ID"]
    assert (ordered["order_id"], ordered["hold_id"]) == (order.json()["order_id"], placed["hold_id"])
    assert ordered["request_id"] == order.headers["X-Request-ID"]
    [first] = lines.named("hold_refused")
    assert (first["code"], first["product_id"], first["count"]) == ("insufficient_stock", product.pk, 1)
    assert first["request_id"] == refused[0].json()["request_id"]
    [paid], [processed] = lines.named("order_paid"), lines.named("webhook_processed")
    assert (paid["order_id"], paid["late"]) == (ordered["order_id"], False)
    assert (processed["status"], processed["reason"]) == ("applied", "order_paid")
    [duplicate] = lines.named("webhook_duplicate")
    assert duplicate["event_pk"] == processed["event_pk"]
    assert all({"event", "level", "logger", "timestamp"} <= set(json.loads(text)) for text in lines.texts)


def test_events_of_a_batch_are_logged_with_each_request(lines):
    product = ProductFactory(stock=10)
    ids = ["a" * 32, "b" * 32]

    placed = orders.place_batch([OrderRequest(hold_id=HoldFactory(product=product).pk, request_id=one) for one in ids])

    logged = {line["request_id"]: line["order_id"] for line in lines.named("order_placed")}
    assert logged == {one: str(view.order.pk) for one, view in zip(ids, placed, strict=True)}


def test_released_units_are_logged(lines):
    product = ProductFactory(stock=10)
    holds.release(HoldFactory(product=product).pk)
    let_hold_pass(HoldFactory(product=product, quantity=2))
    let_order_pass(OrderFactory(product=product))
    orders.cancel(OrderFactory(product=product).pk)
    holds.expire_due()
    orders.expire_due()
    inventory.adjust(product_id=product.pk, delta=5, reason="more came")

    assert lines.named("hold_released")[0]["product_id"] == product.pk
    assert (lines.named("holds_expired")[0]["units"], lines.named("orders_expired")[0]["event"]) == (
        2,
        "orders_expired",
    )
    assert len(lines.named("order_cancelled")) == 1
    assert (lines.named("stock_adjusted")[0]["delta"], lines.named("stock_adjusted")[0]["total"]) == (5, 15)


def test_a_due_refund_is_logged(lines):
    order = OrderFactory()
    orders.cancel(order.pk)
    receive(order_id=order.pk, payment_id="pay_1")
    receive(order_id=order.pk, payment_id="pay_1", status="refunded")

    [due], [back] = lines.named("refund_due"), lines.named("payment_refunded")
    assert (due["reason"], due["payment_id"], due["level"]) == ("order_cancelled", "pay_1", "warning")
    assert back["amount"] == str(order.total_amount)


def test_a_rolled_back_event_is_not_logged(lines):
    order = OrderFactory()

    @retrying_transaction
    def cancel_and_fail() -> None:
        orders.mark_cancelled(orders.lock(order.pk))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cancel_and_fail()

    assert lines.named("order_cancelled") == []


def test_drift_is_logged(lines):
    Stock.objects.filter(pk=ProductFactory(stock=5).pk).update(reserved=1)

    tasks.audit_stock()

    [drift] = lines.named("stock_drift")
    assert (drift["reserved"], drift["reserved_expected"], drift["level"]) == (1, 0, "error")


def test_a_retry_is_logged(lines):
    tries = []

    @retrying_transaction
    def deadlocks_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError from DeadlockDetected("deadlock detected")

    deadlocks_once()

    [retry] = lines.named("lock_retry")
    assert (retry["sqlstate"], retry["attempt"]) == ("40P01", 1)
    assert "deadlocks_once" in retry["verb"]


def test_a_lock_timeout_is_logged_with_its_request(api, lines):
    order = OrderFactory()
    with psycopg.connect(database_url()) as other, connection.cursor() as cursor:
        other.execute("SELECT 1 FROM checkout_order FOR UPDATE")
        cursor.execute("SET lock_timeout = '50ms'")
        answer = api.post(f"/api/v1/orders/{order.pk}/cancel")
    connection.close()

    [busy] = lines.named("request_busy")
    assert (answer.status_code, busy["reason"], busy["request_id"]) == (503, "database", answer.json()["request_id"])


def test_many_busy_answers_are_one_line_a_second(api, lines, product, settings):
    settings.MAX_CONCURRENT_HOLDS = 0

    begun_at = time.monotonic()
    asked = [api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1}) for _ in range(50)]
    seconds = time.monotonic() - begun_at

    assert {answer.status_code for answer in asked} == {503}
    assert len(lines.texts) <= seconds + 2
    assert {json.loads(text)["event"] for text in lines.texts} == {"request_busy"}


def test_the_worker_logs_the_request_id_of_the_delivery(api, lines, monkeypatch):
    order = OrderFactory()

    def fail(*args, **kwargs):
        raise ZeroDivisionError("a fault in the middle")

    with monkeypatch.context() as patched:
        patched.setattr("payments.inbox.rules.pay_plain", fail)
        body = {
            "idempotency_key": "evt_1", "status": "success", "order_id": str(order.pk), "payment_id": "pay_1",
        }  # fmt: skip
        answer = api.post("/api/v1/payments/webhook", body)
    WebhookEvent.objects.update(next_attempt_at=order.created_at)
    inbox.process_due()

    brought_by = answer.headers["X-Request-ID"]
    [failed], [paid] = lines.named("webhook_failed"), lines.named("order_paid")
    assert (failed["request_id"], paid["request_id"]) == (brought_by, brought_by)
    assert failed["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert "locals" not in json.dumps(failed["exception"])


def test_no_line_holds_a_secret_a_token_a_body_or_a_customer(api, lines, product, monkeypatch):
    buy(api, product, Authorization="Bearer super-secret-token")
    api.post("/api/v1/payments/webhook", {"idempotency_key": "x"}, headers={"webhook-signature": "v1,bm90IGl0"})
    monkeypatch.setattr("checkout.holds.submit", lambda **wanted: 1 / 0)
    buy_fails = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1, "customer_id": "customer-of-mine"})

    assert buy_fails.status_code == 500
    assert any("ZeroDivisionError" in text for text in lines.texts)
    assert [text for text in lines.texts for secret in SECRETS if secret in text] == []


def test_a_line_about_a_request_holds_no_id_and_no_query(client, lines, hold, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(HoldViewSet, "retrieve", fail)
    client.raise_request_exception = False

    response = client.get(f"/api/v1/holds/{hold.pk}?hidden=1")
    logging.getLogger("granian.access").info('"GET /api/v1/holds/%s HTTP/1.1" 200', hold.pk.hex.upper())

    failed = next(json.loads(line) for line in lines.texts if '"django.request"' in line)
    assert response.status_code == 500
    assert failed["event"] == "Internal Server Error: /api/v1/holds/{id}"
    assert failed["request_id"] == response.json()["request_id"]
    assert '"GET /api/v1/holds/{id} HTTP/1.1" 200' in [json.loads(line)["event"] for line in lines.texts]
    assert not [line for line in lines.texts if str(hold.pk) in line or "hidden" in line]


def test_refusals_are_counted_all_and_logged_once_a_second(lines, monkeypatch):
    often, now = events.SampledEvent("hold_refused"), [100.0]
    monkeypatch.setattr("flashsale.core.events.time.monotonic", lambda: now[0])
    before = events.EVENTS["hold_refused"].counter.labels("sale_ended")._value.get()

    for moment in (100.0, 100.1, 100.9, 101.0, 102.5):
        now[0] = moment
        often.record(code="sale_ended")

    assert [line["count"] for line in lines.named("hold_refused")] == [1, 3, 1]
    assert events.EVENTS["hold_refused"].counter.labels("sale_ended")._value.get() - before == 5


def test_an_id_of_a_proxy_is_taken_over_only_from_our_own(api, settings, product):
    theirs = "0123456789abcdef0123456789abcdef"

    strange = api.get("/api/v1/products", headers={"X-Request-ID": theirs})
    settings.TRUSTED_PROXIES = 1
    own = api.get("/api/v1/products", headers={"X-Request-ID": theirs})
    forged = api.get("/api/v1/products", headers={"X-Request-ID": "x" * 10_000})

    assert strange.headers["X-Request-ID"] != theirs
    assert own.headers["X-Request-ID"] == theirs
    assert len(forged.headers["X-Request-ID"]) == 32


def test_an_unknown_format_is_refused():
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT"):
        logs.configuration("xml", level="INFO")


def test_the_runbook_names_every_event_and_no_other():
    table = (PROJECT / "docs/operations.md").read_text().partition("| event | when |")[2].partition("\n\n")[0]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }

    assert named == set(events.EVENTS)


def test_every_line_of_every_process_is_json(tmp_path):
    product = ProductFactory(stock=2)
    with open_shop(tmp_path, "web", "worker", "beat") as shop:
        for _ in range(2):
            httpx.post(f"{shop.url}/api/v1/holds", json={"product_id": product.pk, "quantity": 2, "ttl": 10})
        let_hold_pass(Hold.objects.get())
        wait_until(lambda: not Hold.objects.filter(status="active").exists(), what="the worker expires it")
        for name in ("beat", "worker", "web"):
            shop.stop(name)
        told = [line for line in shop.log().splitlines() if line]

    # What Celery says itself when it is told to stop.
    assert [line for line in told if not line.startswith("{")] == ["worker: Warm shutdown (MainProcess)"]
    lines = [json.loads(line) for line in told if line.startswith("{")]
    assert {"hold_placed", "hold_refused", "holds_expired"} <= {line["event"] for line in lines}
    [expired] = [line for line in lines if line["event"] == "holds_expired"]
    assert (expired["task"], len(expired["request_id"])) == ("checkout.tasks.expire_holds", 32)
