"""The end of one try to pay at Stripe cancels an order only when it was the order's own payment."""

import pytest

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments import inbox
from payments.models import Payment, WebhookEvent
from payments.providers.stripe.events import PAYMENT_INTENTS
from payments.tests.factories import let_event_pass
from payments.tests.support.stripe_events import INTENT, UNKNOWN, event, intent, outcome, send, session, status_of

pytestmark = pytest.mark.usefixtures("stripe_in_production")


ENDS_OF_TRIES = ["checkout.session.async_payment_failed", "checkout.session.expired", "payment_intent.canceled"]


def try_that_ended(kind: str, order: Order, *, payment_intent: str | None) -> dict:
    if kind in PAYMENT_INTENTS:
        return event(kind, intent(order, id=payment_intent, amount_received=0, status="canceled"))
    return event(kind, session(order, payment_intent=payment_intent, payment_status="unpaid"))


@pytest.mark.parametrize("kind", ENDS_OF_TRIES)
def test_the_end_of_the_orders_own_payment_cancels_it(api, product, kind):
    order = OrderFactory(product=product, quantity=2, payment_id=INTENT)

    assert outcome(send(api, try_that_ended(kind, order, payment_intent=INTENT))) == "applied"
    assert status_of(order) == "cancelled"


@pytest.mark.parametrize("payment_intent", ["pi_older", None])
@pytest.mark.parametrize("kind", ENDS_OF_TRIES)
@pytest.mark.parametrize("known", [INTENT, None])
def test_the_end_of_another_try_changes_nothing_and_the_order_can_be_paid(api, product, kind, payment_intent, known):
    if payment_intent is None and kind in PAYMENT_INTENTS:
        payment_intent = "pi_unknown"
    order = OrderFactory(product=product, quantity=2, payment_id=known)

    ended = send(api, try_that_ended(kind, order, payment_intent=payment_intent))

    assert (outcome(ended), status_of(order)) == ("ignored", "pending_payment")
    assert WebhookEvent.objects.get().order_id == order.pk
    send(api, event("payment_intent.succeeded", intent(order)))
    assert status_of(order) == "paid"
    assert Payment.objects.get().status == "applied"


@pytest.mark.parametrize("kind", ENDS_OF_TRIES)
def test_the_end_of_another_try_is_nothing_for_staff_whatever_it_would_have_cost(api, product, kind):
    order = OrderFactory(product=product, quantity=2, payment_id=INTENT)
    ended = try_that_ended(kind, order, payment_intent="pi_older")
    ended["data"]["object"] |= {"currency": "eur", "amount_total": 100, "amount": 100}

    assert (outcome(send(api, ended)), status_of(order)) == ("ignored", "pending_payment")


@pytest.mark.parametrize("kind", ENDS_OF_TRIES)
@pytest.mark.parametrize("metadata", [{"order_id": "1234"}, {"hold_id": "cart-7"}, {"order_id": UNKNOWN}])
def test_another_shops_abandoned_tries_are_nothing_for_staff(api, order, kind, metadata):
    thing = try_that_ended(kind, order, payment_intent="pi_other")
    thing["data"]["object"]["metadata"] = metadata

    answer = send(api, thing).json()["outcome"]
    let_event_pass(WebhookEvent.objects.get(), seconds=25 * 3600)
    inbox.process_due()

    assert answer == ("parked" if len(metadata.get("order_id", "")) == 36 else "ignored")
    assert WebhookEvent.objects.get().status == "ignored"
    assert status_of(order) == "pending_payment"


def test_a_declined_try_leaves_the_order_open_and_the_next_one_pays_it(api, order):
    declined = send(api, event("payment_intent.payment_failed", intent(order, amount_received=0)))
    paid = send(api, event("payment_intent.succeeded", intent(order)))

    assert (outcome(declined), outcome(paid)) == ("ignored", "applied")
    assert status_of(order) == "paid"
