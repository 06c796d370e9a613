"""Webhook events that come early, come again, or are called something odd."""

import json

import pytest

from checkout import audit
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass
from flashsale.tests.support.problems import problem_of
from payments.models import Payment, WebhookEvent
from payments.tests.factories import PATH, send

UNKNOWN = "5f0c6a52-3d54-4c0e-9c7b-0d5b1f3f2a11"


@pytest.fixture(autouse=True)
def clean_books(db):
    yield
    assert audit.find_drift() == []


def payments() -> dict[str, str]:
    return dict(Payment.objects.values_list("payment_id", "status"))


def outcomes() -> list[str]:
    return list(WebhookEvent.objects.order_by("pk").values_list("status", flat=True))


def place_order(api, hold, **members) -> dict:
    response = api.post("/api/v1/orders", {"hold_id": str(hold.pk), **members})
    assert response.status_code == 201, response.content
    return response.json()


@pytest.mark.parametrize(
    ("statuses", "after", "money", "verdicts"),
    [
        (["success", "failure"], "paid", {"pay_1": "applied"}, ["applied", "ignored"]),
        (["failure", "success"], "cancelled", {"pay_1": "refund_due"}, ["applied", "applied"]),
        (["success", "success"], "paid", {"pay_1": "applied"}, ["applied", "ignored"]),
        (["success", "refunded"], "paid", {"pay_1": "refunded"}, ["applied", "applied"]),
        (["failure", "failure"], "cancelled", {}, ["applied", "ignored"]),
    ],
)
def test_parked_events_are_applied_in_the_order_they_came(api, hold, statuses, after, money, verdicts):
    for status in statuses:
        assert send(api, status=status, hold_id=str(hold.pk), payment_id="pay_1").status_code == 202

    order = place_order(api, hold)

    assert order["status"] == after
    assert payments() == money
    assert outcomes() == verdicts
    assert api.get(f"/api/v1/orders/{order['order_id']}").json() == order


def test_of_two_parked_payments_the_second_is_due_for_refund(api, hold):
    send(api, hold_id=str(hold.pk), payment_id="pay_1")
    send(api, hold_id=str(hold.pk), payment_id="pay_2")

    order = place_order(api, hold)

    assert (order["status"], order["payment_id"], order["refund"]) == ("paid", "pay_1", "due")
    assert payments() == {"pay_1": "applied", "pay_2": "refund_due"}


def test_a_parked_event_waits_for_its_own_order_only(api, product, hold):
    other = HoldFactory(product=product)
    send(api, hold_id=str(hold.pk), payment_id="pay_1")

    order = place_order(api, other, payment_id="pay_2")

    assert order["status"] == "pending_payment"
    assert outcomes() == ["parked"]


def test_a_parked_event_pays_the_order_of_its_hold_and_not_one_that_was_placed_with_its_payment(api, product, hold):
    other = HoldFactory(product=product)
    send(api, hold_id=str(hold.pk), payment_id="pay_1")

    placed_with_it = place_order(api, other, payment_id="pay_1")
    assert (placed_with_it["status"], outcomes()) == ("pending_payment", ["parked"])
    rightful = place_order(api, hold)

    assert (rightful["status"], rightful["payment_id"]) == ("paid", "pay_1")
    assert outcomes() == ["applied"]
    assert api.get(f"/api/v1/orders/{placed_with_it['order_id']}").json()["status"] == "pending_payment"


def test_a_refused_order_leaves_its_event_parked(api, hold):
    send(api, hold_id=str(hold.pk), payment_id="pay_1")
    let_hold_pass(hold)

    problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk)}), 409, "hold_expired")

    assert outcomes() == ["parked"]
    assert payments() == {}


def test_an_event_for_an_unknown_order_is_parked(api, order):
    response = send(api, key="evt_1", order_id=UNKNOWN, payment_id="pay_9")

    assert response.status_code == 202
    assert response.json() == {
        "message": "Order not found yet",
        "outcome": "parked",
        "idempotency_key": "evt_1",
        "order_id": UNKNOWN,
        "order_status": None,
        "payment_id": "pay_9",
    }
    assert Order.objects.get().status == "pending_payment"


def test_a_payment_of_one_order_cannot_be_named_by_a_later_one(api, product, order):
    send(api, order_id=str(order.pk), payment_id="pay_1")
    hold = HoldFactory(product=product)

    problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_id": "pay_1"}), 409, "payment_id_in_use")

    assert Order.objects.count() == 1


def test_a_surplus_payment_cannot_be_named_by_a_later_order(api, product, order):
    send(api, order_id=str(order.pk), payment_id="pay_1")
    send(api, order_id=str(order.pk), payment_id="pay_2")
    hold = HoldFactory(product=product)

    problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_id": "pay_2"}), 409, "payment_id_in_use")

    assert payments() == {"pay_1": "applied", "pay_2": "refund_due"}


SAID = {"status": "failure", "payment_id": "pay_1", "amount": "59.98", "currency": "USD"}


@pytest.mark.parametrize(
    "same",
    [
        {"status": "failed"},
        {"currency": "usd"},
        {"amount": 59.98},
        {"amount": "59.980"},
        {"amount": "0059.98"},
        {"payment_id": None, "payment_intent_id": "pay_1"},
        {"payment_intent_id": "pay_1"},
        {"note": "resent"},
        {"hold_id": None},
    ],
    ids=str,
)
def test_the_same_event_in_other_words_is_the_same(api, order, same):
    said = SAID | {"order_id": str(order.pk)}
    first = send(api, key="evt_1", **said)

    again = send(api, key="evt_1", **(said | same))

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json() | {"message": "Already handled"}
    assert outcomes() == ["applied"]


@pytest.mark.parametrize(
    "other",
    [
        {"status": "success"},
        {"status": "refunded"},
        {"status": "unheard of"},
        {"order_id": UNKNOWN},
        {"order_id": None},
        {"hold_id": UNKNOWN},
        {"payment_id": "pay_2"},
        {"payment_id": None},
        {"amount": "59.99"},
        {"amount": None},
        {"amount": "odd"},
        {"currency": "EUR"},
        {"currency": None},
    ],
    ids=str,
)
def test_the_same_event_id_with_another_content_stands_beside_the_first(api, order, other):
    said = SAID | {"order_id": str(order.pk)}
    send(api, key="evt_1", **said)
    stands = WebhookEvent.objects.values().get()

    second = send(api, key="evt_1", **(said | other))
    second_again = send(api, key="evt_1", **(said | other))

    assert (second.status_code, second.json()["outcome"]) == (200, "needs_review")
    assert "Idempotent-Replayed" not in second.headers
    assert second_again.headers["Idempotent-Replayed"] == "true"
    assert WebhookEvent.objects.values().get(pk=stands["id"]) == stands
    assert outcomes() == ["applied", "needs_review"]
    assert payments() == {}


def test_another_content_does_not_disturb_a_parked_event(api, hold):
    send(api, key="evt_1", hold_id=str(hold.pk), payment_id="pay_1")
    other = send(api, key="evt_1", hold_id=str(hold.pk), payment_id="pay_2")

    order = place_order(api, hold)

    assert (other.status_code, other.json()["outcome"]) == (200, "needs_review")
    assert (order["status"], order["payment_id"]) == ("paid", "pay_1")
    assert payments() == {"pay_1": "applied"}


def test_a_replay_tells_the_stored_outcome_and_the_orders_present_state(api, order):
    differs = {"key": "evt_1", "order_id": str(order.pk), "payment_id": "pay_1", "amount": "1.00"}
    first = send(api, **differs)
    send(api, order_id=str(order.pk), payment_id="pay_1")

    again = send(api, **differs)

    assert (first.json()["outcome"], first.json()["order_status"]) == ("needs_review", "pending_payment")
    assert (again.json()["outcome"], again.json()["order_status"]) == ("needs_review", "paid")


@pytest.mark.parametrize("key", ["e", "x" * 255, "\U0001f600" * 255, " ", "evt/1?#", "\u0661"])
def test_an_event_id_is_any_text_of_1_to_255_characters(api, order, key):
    response = send(api, key=key, order_id=str(order.pk))

    assert (response.status_code, response.json()["idempotency_key"]) == (200, key)
    assert WebhookEvent.objects.get().event_id == key


@pytest.mark.parametrize(
    ("members", "headers", "event_id"),
    [
        ({"idempotency_key": "evt_1"}, {"webhook-id": "msg_1"}, "evt_1"),
        ({"idempotency_key": None}, {"webhook-id": "msg_1"}, "msg_1"),
        ({}, {"Webhook-ID": "x" * 255}, "x" * 255),
    ],
)
def test_the_body_names_the_event_and_else_the_header(api, order, members, headers, event_id):
    response = api.post(PATH, {"status": "success", "order_id": str(order.pk)} | members, headers=headers)

    assert (response.status_code, response.json()["idempotency_key"]) == (200, event_id)


@pytest.mark.parametrize("header", ["", "x" * 256, None])
def test_an_event_without_a_usable_id_anywhere_is_invalid(api, order, header):
    headers = {} if header is None else {"webhook-id": header}

    response = api.post(PATH, {"status": "success", "order_id": str(order.pk)}, headers=headers)

    problem_of(response, 400, "invalid")
    assert not WebhookEvent.objects.exists()
    assert Order.objects.get().status == "pending_payment"


def test_one_id_at_two_providers_is_two_events(api, order):
    plain = send(api, key="evt_1", order_id=str(order.pk), payment_id="pay_1")
    stripe = api.post("/api/v1/payments/webhooks/stripe", {"id": "evt_1", "type": "unheard.of"})

    assert (plain.json()["outcome"], stripe.json()["outcome"]) == ("applied", "ignored")
    assert "Idempotent-Replayed" not in stripe.headers


def test_both_paths_of_the_plain_provider_are_one_provider(api, order):
    body = {"idempotency_key": "evt_1", "status": "success", "order_id": str(order.pk), "payment_id": "pay_1"}

    first = api.post("/api/payments/webhook/", body)
    again = api.post("/api/v1/payments/webhooks/standard", body)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_no_signature_and_no_secret_is_kept(api, order):
    raw = json.dumps({"idempotency_key": "evt_1", "status": "success", "order_id": str(order.pk)})
    sent = {
        "webhook-id": "evt_1",
        "webhook-signature": "v1,c2lnbmF0dXJl",
        "Authorization": "Bearer top",
        "Cookie": "a=b",
    }

    api.generic("POST", PATH, raw, content_type="application/json", headers=sent)

    kept = WebhookEvent.objects.get().headers
    assert kept["webhook-id"] == "evt_1"
    assert not {"c2lnbmF0dXJl", "top", "a=b"} & set(json.dumps(kept).replace('"', " ").replace(",", " ").split())


def test_a_failure_without_a_reference_is_ignored(api, order):
    response = send(api, status="failure", amount="59.98")

    assert (response.status_code, response.json()["outcome"]) == (200, "ignored")
    assert Order.objects.get().status == "pending_payment"


def test_a_payment_id_known_for_another_order_needs_review_wherever_it_is_named(api, product):
    first, second = OrderFactory(product=product, payment_id="pay_1"), OrderFactory(product=product)
    send(api, order_id=str(first.pk), payment_id="pay_1")

    by_order = send(api, order_id=str(second.pk), payment_id="pay_1")
    by_hold = send(api, hold_id=str(second.hold_id), payment_id="pay_1")

    assert [by_order.json()["outcome"], by_hold.json()["outcome"]] == ["needs_review", "needs_review"]
    assert Order.objects.get(pk=second.pk).status == "pending_payment"
    assert payments() == {"pay_1": "applied"}
