"""What the plain provider sends, and what comes of it (SPEC section 6, unsigned in local mode)."""

import json
from uuid import uuid4

import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order, ProvedPaymentId
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.tests.support.problems import problem_of
from payments.models import Payment, WebhookEvent
from payments.tests.factories import PATH, send
from payments.tests.support.orders import make_order, money, outcome, units


@pytest.fixture(autouse=True)
def clean_books(db):
    """Whatever an event did, the counters agree with holds and orders afterwards."""
    yield
    assert audit.find_drift() == []


def test_a_success_pays_the_order(api, product, order):
    response = send(api, key="evt_1", order_id=str(order.pk), payment_id="pay_1", amount="59.98", currency="USD")

    assert outcome(response, 200, "applied") == {
        "message": "Webhook processed",
        "outcome": "applied",
        "idempotency_key": "evt_1",
        "order_id": str(order.pk),
        "order_status": "paid",
        "payment_id": "pay_1",
    }
    shown = api.get(f"/api/v1/orders/{order.pk}").json()
    assert (shown["status"], shown["payment_id"]) == ("paid", "pay_1")
    assert shown["paid_at"]
    assert units(product) == (0, 2)
    assert money() == {"pay_1": "applied"}


@pytest.mark.parametrize("amount", ["59.98", 59.98, "59.980", "059.98"])
@pytest.mark.parametrize("currency", ["USD", "usd"])
def test_an_amount_may_be_text_or_number_and_a_currency_in_any_case(api, order, amount, currency):
    response = send(api, order_id=str(order.pk), payment_id="pay_1", amount=amount, currency=currency)

    outcome(response, 200, "applied")


@pytest.mark.parametrize("status", ["failure", "failed"])
def test_a_failure_cancels_the_order(api, product, order, status):
    body = outcome(send(api, status=status, order_id=str(order.pk), payment_id="pay_1"), 200, "applied")

    assert body["order_status"] == "cancelled"
    assert units(product) == (0, 0)


@pytest.mark.parametrize("reference", ["order_id", "hold_id", "payment_id", "payment_intent_id"])
def test_any_reference_finds_the_order(api, product, reference):
    order = OrderFactory(product=product, payment_id="pay_1")
    value = {"order_id": str(order.pk), "hold_id": str(order.hold_id)}.get(reference, "pay_1")

    assert outcome(send(api, **{reference: value}), 200, "applied")["order_status"] == "paid"


def test_a_late_success_takes_overdue_units_back(api, product):
    order = make_order(product, "expired")
    let_order_pass(OrderFactory(product=product, quantity=10))

    outcome(send(api, order_id=str(order.pk), payment_id="pay_1"), 200, "applied")

    assert api.get(f"/api/v1/orders/{order.pk}").json()["status"] == "paid"
    assert units(product) == (0, 2)


@pytest.mark.parametrize("state", ["expired", "overdue"])
def test_a_late_success_over_the_customers_limit_is_due_for_refund(api, state):
    product = ProductFactory(max_per_customer=2)
    order = OrderFactory(product=product, quantity=2, customer_id="ann")
    let_order_pass(order)
    if state == "expired":
        orders.expire_due()
    HoldFactory(product=product, quantity=1, customer_id="ann")

    outcome(send(api, order_id=str(order.pk), payment_id="pay_1"), 200, "applied")

    assert Order.objects.get(pk=order.pk).status == "expired"
    assert money() == {"pay_1": "refund_due"}


def test_refunds_add_up_until_the_whole_amount_is_back(api, product):
    order = make_order(product, "paid")

    outcome(send(api, status="refunded", order_id=str(order.pk), payment_id="pay_1", amount="20.00"), 200, "applied")
    partly = api.get(f"/api/v1/orders/{order.pk}").json()
    outcome(send(api, status="refunded", order_id=str(order.pk), payment_id="pay_1", amount="39.98"), 200, "applied")
    wholly = api.get(f"/api/v1/orders/{order.pk}").json()

    assert (partly["refund"], partly["refunded_amount"]) == (None, "20.00")
    assert (wholly["refund"], wholly["refunded_amount"], wholly["status"]) == ("done", "59.98", "paid")
    more = send(api, status="refunded", order_id=str(order.pk), payment_id="pay_1", amount="0.01")
    outcome(more, 200, "ignored")


@pytest.mark.parametrize("wrong", [{"amount": "59.97"}, {"amount": 1}, {"currency": "EUR"}, {"amount": "59.981"}])
@pytest.mark.parametrize("state", ["pending", "paid", "cancelled", "expired"])
def test_l5_money_that_does_not_match_needs_review_and_changes_nothing(api, product, state, wrong):
    order = make_order(product, state)
    before = (Order.objects.values().get(pk=order.pk), units(product), money())

    outcome(send(api, order_id=str(order.pk), payment_id="pay_9", **wrong), 200, "needs_review")

    assert (Order.objects.values().get(pk=order.pk), units(product), money()) == before


@pytest.mark.parametrize(
    "malformed",
    [
        {"order_id": "abc"},
        {"order_id": 5},
        {"hold_id": "x"},
        {"payment_id": ""},
        {"payment_id": 7},
        {"payment_id": "x" * 256},
        {"payment_id": "a\x00b"},
        {"payment_id": "pay_1", "payment_intent_id": "pay_2"},
        {"amount": "much"},
        {"amount": "NaN"},
        {"amount": "5_9.98"},
        {"amount": " 59.98"},
        {"amount": "\u0665\u0669.98"},
        {"amount": "5998E-2"},
        {"amount": -1},
        {"amount": 0},
        {"amount": True},
        {"amount": "1e400"},
        {"amount": "59.9800001"},
        {"currency": "u\u017fd"},
        {"currency": "dollars"},
        {"currency": 840},
    ],
)
def test_a_malformed_field_needs_review(api, product, order, malformed):
    outcome(send(api, **({"order_id": str(order.pk)} | malformed)), 200, "needs_review")

    assert Order.objects.get().status == "pending_payment"
    assert not Payment.objects.exists()


@pytest.mark.parametrize(("status", "expected"), [("success", "needs_review"), ("refunded", "needs_review")])
def test_money_without_a_reference_needs_review(api, status, expected):
    outcome(send(api, status=status, amount="5.00"), 200, expected)


@pytest.mark.parametrize("status", ["refund", "SUCCESS", "", "pending", None, 5, ["success"], "x" * 500, "a\x00b"])
def test_l12_an_unknown_status_is_stored_and_ignored(api, order, status):
    outcome(send(api, status=status, order_id=str(order.pk)), 200, "ignored")

    assert WebhookEvent.objects.count() == 1
    assert Order.objects.get().status == "pending_payment"


def test_references_that_name_different_orders_need_review(api, product):
    first, second = OrderFactory(product=product, payment_id="pay_1"), OrderFactory(product=product, payment_id="pay_2")
    ProvedPaymentId.objects.update(proved_by="event")

    for references in (
        {"order_id": str(first.pk), "payment_id": "pay_2"},
        {"order_id": str(first.pk), "hold_id": str(second.hold_id)},
        {"order_id": str(uuid4()), "payment_id": "pay_2"},
        {"hold_id": str(uuid4()), "order_id": str(second.pk)},
    ):
        outcome(send(api, **references), 200, "needs_review")

    assert set(Order.objects.values_list("status", flat=True)) == {"pending_payment"}
    assert not Payment.objects.exists()


def test_a_payment_of_another_order_needs_review(api, product):
    first = make_order(product, "paid")
    second = OrderFactory(product=product)

    outcome(send(api, order_id=str(second.pk), payment_id="pay_1"), 200, "needs_review")

    assert Order.objects.get(pk=second.pk).status == "pending_payment"
    assert Payment.objects.get().order_id == first.pk


def test_the_same_event_again_is_answered_from_what_is_stored(api, product, order):
    members = {"key": "evt_1", "order_id": str(order.pk), "payment_id": "pay_1"}
    first = send(api, amount="59.98", **members)

    again = send(api, amount=59.98, **members)

    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert outcome(again, 200, "applied") == first.json() | {"message": "Already handled"}
    assert WebhookEvent.objects.count() == 1
    assert units(product) == (0, 2)


def test_l10_the_same_id_saying_something_else_needs_review(api, product):
    first, second = OrderFactory(product=product), OrderFactory(product=product)
    send(api, key="evt_1", order_id=str(first.pk), payment_id="pay_1")

    other = send(api, key="evt_1", order_id=str(second.pk), payment_id="pay_2")
    again = send(api, key="evt_1", order_id=str(second.pk), payment_id="pay_2")

    outcome(other, 200, "needs_review")
    assert "Idempotent-Replayed" not in other.headers
    assert outcome(again, 200, "needs_review")["message"] == "Already handled"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Order.objects.get(pk=second.pk).status == "pending_payment"
    assert WebhookEvent.objects.count() == 2


@pytest.mark.parametrize("names_payment", [True, False])
@pytest.mark.parametrize(("status", "after"), [("success", "paid"), ("failure", "cancelled")])
def test_l6_an_event_before_its_order_is_applied_with_it(api, product, hold, status, after, names_payment):
    reference = {"payment_id": "pay_1"} if names_payment else {"hold_id": str(hold.pk)}
    early = send(api, status=status, key="evt_1", **reference)
    again = send(api, status=status, key="evt_1", **reference)

    order = api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_id": "pay_1"})

    assert outcome(early, 202, "parked")["message"] == "Order not found yet"
    assert outcome(again, 202, "parked")["message"] == "Already handled"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (order.status_code, order.json()["status"]) == (201, after)
    outcome(send(api, status=status, key="evt_1", **reference), 200, "applied")


def test_a_parked_event_that_does_not_match_leaves_the_order_pending(api, hold):
    send(api, hold_id=str(hold.pk), payment_id="pay_1", amount="1.00")

    order = api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).json()

    assert order["status"] == "pending_payment"
    assert WebhookEvent.objects.get().status == "needs_review"


@pytest.mark.parametrize("key", [5, True, "", "x" * 256, "a\x00b", [], {}])
def test_an_event_without_a_usable_id_is_invalid(api, order, key):
    response = api.post(PATH, {"idempotency_key": key, "status": "success", "order_id": str(order.pk)})

    assert problem_of(response, 400, "invalid")["errors"][0]["pointer"] == "#/idempotency_key"
    assert not WebhookEvent.objects.exists()


def test_the_webhook_id_header_is_the_event_id_where_the_body_has_none(api, order):
    response = api.post(PATH, {"status": "success", "order_id": str(order.pk)}, headers={"webhook-id": "msg_1"})

    assert outcome(response, 200, "applied")["idempotency_key"] == "msg_1"


def test_the_raw_bytes_are_kept(api, order):
    raw = json.dumps({"idempotency_key": "evt_1", "status": "success", "order_id": str(order.pk)}, indent=7)

    api.generic("POST", PATH, raw, content_type="application/json", headers={"webhook-id": "msg_1"})

    event = WebhookEvent.objects.get()
    assert bytes(event.body) == raw.encode()
    assert event.headers["webhook-id"] == "msg_1"


def test_unsigned_events_are_refused_outside_local_mode(api, settings, order):
    settings.LOCAL_MODE = False

    response = send(api, order_id=str(order.pk))

    problem_of(response, 401, "signature_invalid")
    assert not WebhookEvent.objects.exists()
    assert Order.objects.get().status == "pending_payment"


def test_an_unknown_provider_is_not_found(api, db):
    problem_of(api.post("/api/v1/payments/webhooks/nobody", {}), 404, "not_found")
