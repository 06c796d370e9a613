"""Money that was taken too long after the payment window is due for refund."""

import pytest

from checkout.models import Order
from checkout.tests.factories import let_order_pass
from payments import inbox
from payments.models import Payment
from payments.tests.factories import receive, send

pytestmark = pytest.mark.usefixtures("claims_prove_nothing")
DAY_SECONDS = 25 * 3600


HOUR_SECONDS = 3600


@pytest.mark.parametrize(("hours", "outcome", "payment"), [(71, "paid", "applied"), (73, "expired", "refund_due")])
def test_money_that_was_taken_too_long_after_the_deadline_is_due_for_refund(api, order, hours, outcome, payment):
    let_order_pass(order, seconds=15 * 60 + hours * HOUR_SECONDS)

    answer = send(api, order_id=str(order.pk), payment_id="pay_1").json()

    assert (answer["outcome"], answer["order_status"]) == ("applied", outcome)
    assert (Payment.objects.get().status, Payment.objects.get().reason) == (
        payment, "too_late" if payment == "refund_due" else "",
    )  # fmt: skip
    assert send(api, order_id=str(order.pk), payment_id="pay_1").json()["outcome"] == "ignored"


def test_staff_may_accept_money_that_came_too_late(api, order, admin_user):
    let_order_pass(order, seconds=100 * HOUR_SECONDS)
    event = receive(order_id=order.pk, payment_id="pay_1", amount="7.00").event

    inbox.accept(event.pk, staff=admin_user, note="Promised by telephone")

    assert Order.objects.get().status == "paid"
    assert Payment.objects.get().status == "applied"
