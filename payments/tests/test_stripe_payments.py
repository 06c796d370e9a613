"""What Stripe's events in its current format do to orders and money."""

from decimal import Decimal

import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments.models import Payment, WebhookEvent
from payments.tests.support.stripe_events import (
    INTENT,
    NEW,
    OLD,
    charge,
    event,
    intent,
    outcome,
    send,
    session,
    status_of,
)

pytestmark = pytest.mark.usefixtures("stripe_in_production")


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_payment_intent_that_succeeded_pays_the_order(api, order, secret):
    response = send(api, event("payment_intent.succeeded", intent(order)), secret=secret)

    assert outcome(response) == "applied"
    assert (status_of(order), Order.objects.get().payment_id) == ("paid", INTENT)
    assert Payment.objects.get().amount == Decimal("59.98")


def test_a_session_and_its_payment_intent_are_one_payment(api, order):
    first = send(api, event("checkout.session.completed", session(order)))
    second = send(api, event("payment_intent.succeeded", intent(order)))

    assert (outcome(first), outcome(second)) == ("applied", "ignored")
    assert Payment.objects.get().status == "applied"
    assert Stock.objects.get().sold == 2


def test_an_expanded_payment_intent_is_the_same_payment(api, order):
    assert (
        outcome(send(api, event("checkout.session.completed", session(order, payment_intent=intent(order)))))
        == "applied"
    )
    assert Payment.objects.get().payment_id == INTENT


@pytest.mark.parametrize("payment_status", ["unpaid", "no_payment_required", None])
def test_a_session_counts_only_when_it_is_paid(api, order, payment_status):
    body = event("checkout.session.completed", session(order, payment_status=payment_status))

    assert outcome(send(api, body)) == "ignored"
    assert status_of(order) == "pending_payment"


def test_a_session_is_paid_later(api, order):
    assert outcome(send(api, event("checkout.session.async_payment_succeeded", session(order)))) == "applied"
    assert status_of(order) == "paid"


def test_refunds_are_a_running_total_in_any_order(api, order):
    send(api, event("payment_intent.succeeded", intent(order)))

    outcomes = [outcome(send(api, event("charge.refunded", charge(total)))) for total in (3000, 2000, 3000, 5998)]

    assert outcomes == ["applied", "ignored", "ignored", "applied"]
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded_amount) == ("refunded", Decimal("59.98"))
    assert Order.objects.get().refund == "done"
    assert status_of(order) == "paid"


@pytest.mark.parametrize(
    ("currency", "price", "minor"),
    [
        ("USD", "29.99", 5998),
        ("JPY", "1500", 3000),
        ("KWD", "1.230", 2460),
        ("ISK", "500", 100000),
        ("UGX", "700", 140000),
    ],
)
def test_amounts_are_in_stripes_minor_units(api, currency, price, minor):
    order = OrderFactory(product=ProductFactory(price=price, currency=currency), quantity=2)
    thing = intent(order, amount_received=minor, currency=currency.lower())

    assert outcome(send(api, event("payment_intent.succeeded", thing))) == "applied"
    assert Payment.objects.get().amount == order.total_amount


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_received": 5997},
        {"amount_received": "5998"},
        {"amount_received": 59.98},
        {"amount_received": True},
        {"amount_received": None},
        {"amount_received": -5998},
        {"amount_received": 10**30},
        {"currency": "eur"},
        {"currency": None},
        {"currency": "dollars"},
        {"metadata": {"order_id": "abc"}},
        {"metadata": {}, "id": None},
        {"id": 5},
    ],
)
def test_money_that_cannot_be_matched_needs_review(api, order, wrong):
    assert outcome(send(api, event("payment_intent.succeeded", intent(order, **wrong)))) == "needs_review"
    assert status_of(order) == "pending_payment"
    assert not Payment.objects.exists()


@pytest.mark.parametrize("live", [True, False])
def test_events_of_the_other_mode_need_review(api, order, settings, live):
    settings.STRIPE_LIVEMODE = live
    body = event("payment_intent.succeeded", intent(order), livemode=not live)

    assert outcome(send(api, body)) == "needs_review"
    assert status_of(order) == "pending_payment"


@pytest.mark.parametrize("kind", ["customer.created", "payment_intent.created", "", None, 5, {"a": 1}])
def test_an_unknown_type_is_stored_and_ignored(api, kind):
    assert outcome(send(api, event(kind, {"id": "x"}))) == "ignored"
    assert WebhookEvent.objects.count() == 1


@pytest.mark.parametrize("data", [None, [], "x", {"object": None}, {"object": []}, {}])
def test_an_event_about_nothing_needs_review(api, data):
    body = event("payment_intent.succeeded", {}) | {"data": data}

    assert outcome(send(api, body)) == "needs_review"


def test_the_same_event_rendered_at_another_time_is_the_same(api, order):
    body = event("checkout.session.completed", session(order))
    send(api, body)
    expanded = body | {
        "created": body["created"] + 5,
        "api_version": "2025-01-01.acacia",
        "data": {"object": session(order, payment_intent=intent(order), payment_link={"id": "plink_1"})},
    }

    assert send(api, expanded).headers["Idempotent-Replayed"] == "true"
    assert WebhookEvent.objects.count() == 1


def test_the_same_event_again_is_already_handled(api, order):
    body = event("payment_intent.succeeded", intent(order))
    send(api, body)

    again = send(api, body)

    assert again.json()["message"] == "Already handled"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert WebhookEvent.objects.count() == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 5}', b'{"id": ""}', b'{"id": "evt_1", "id": "evt_2"}'])
def test_what_is_verified_and_no_event_is_invalid(api, body):
    assert send(api, body).status_code == 400
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("status", [[], {}, ["failed"], None, 5, True, "succeeded"], ids=repr)
def test_a_refund_with_any_other_status_is_stored_and_ignored(api, order, status):
    send(api, event("payment_intent.succeeded", intent(order)))
    refund = {"id": "re_1", "payment_intent": INTENT, "amount": 5998, "currency": "usd", "status": status}

    assert outcome(send(api, event("refund.updated", refund))) == "ignored"
    assert Payment.objects.get().status == "applied"
