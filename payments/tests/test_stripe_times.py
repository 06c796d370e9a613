"""Money counts from when it was taken by Stripe's clock."""

import time

import pytest

from checkout.models import Order
from checkout.tests.factories import let_order_pass
from payments.models import Payment
from payments.tests.support.stripe_events import event, intent, send

pytestmark = pytest.mark.usefixtures("stripe_in_production")


HOUR_SECONDS = 3600


@pytest.mark.parametrize(
    ("hours_after_the_deadline", "payment", "reason"),
    [(-1, "applied", ""), (71, "applied", ""), (73, "refund_due", "too_late"), (1_000, "refund_due", "too_late")],
)
def test_money_counts_from_when_it_was_taken_by_stripes_clock(api, order, hours_after_the_deadline, payment, reason):
    """It is told 100 hours after the deadline; a later time would be in the future, and is ignored."""
    let_order_pass(order, seconds=100 * HOUR_SECONDS)
    deadline = Order.objects.get().payment_due_at
    taken = int(deadline.timestamp()) + hours_after_the_deadline * HOUR_SECONDS

    send(api, event("payment_intent.succeeded", intent(order)) | {"created": taken})

    assert list(Payment.objects.values_list("status", "reason")) == [(payment, reason)]


@pytest.mark.parametrize("created", [None, "1790000000", True, 0, -1, 1.5, 10**11, 10**30, [], {}], ids=repr)
@pytest.mark.parametrize(("hours", "payment"), [(70, "applied"), (100, "refund_due")])
def test_without_a_usable_time_money_counts_from_its_receipt(api, order, created, hours, payment):
    let_order_pass(order, seconds=hours * HOUR_SECONDS)

    send(api, event("payment_intent.succeeded", intent(order)) | {"created": created})

    assert Payment.objects.get().status == payment


def test_a_future_time_is_the_receipt(api, order):
    """Else an hour of the provider's clock would cost the buyer the order."""
    let_order_pass(order, seconds=72 * HOUR_SECONDS)

    send(api, event("payment_intent.succeeded", intent(order)) | {"created": int(time.time()) + 48 * HOUR_SECONDS})

    assert Payment.objects.get().status == "applied"
