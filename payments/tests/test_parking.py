"""Events whose order does not exist are parked as long as it may still be created."""

from uuid import uuid4

import pytest

from checkout import holds
from checkout.tests.factories import HoldFactory, let_hold_pass
from payments import inbox
from payments.models import WebhookEvent
from payments.tests.factories import send

pytestmark = pytest.mark.usefixtures("claims_prove_nothing")
DAY_SECONDS = 25 * 3600


@pytest.mark.parametrize("how", ["released", "overdue", "expired"])
@pytest.mark.parametrize(("status", "after"), [("success", "needs_review"), ("failure", "ignored")])
def test_parking_ends_with_the_hold_that_the_event_names(api, product, how, status, after):
    hold = HoldFactory(product=product)
    assert send(api, status=status, hold_id=str(hold.pk), payment_id="pay_1").json()["outcome"] == "parked"
    if how == "released":
        api.delete(f"/api/v1/holds/{hold.pk}")
    else:
        let_hold_pass(hold)
    if how == "expired":
        holds.expire_due()

    inbox.process_due()

    event = WebhookEvent.objects.get()
    assert (event.status, event.reason) == (after, "order_never_came")


def test_an_event_for_a_hold_that_is_over_is_not_parked(api, product):
    hold = HoldFactory(product=product)
    api.delete(f"/api/v1/holds/{hold.pk}")

    assert send(api, hold_id=str(hold.pk), payment_id="pay_1").json()["outcome"] == "needs_review"


def test_unknown_orders_are_parked_as_before(api):
    assert send(api, order_id=str(uuid4()), payment_id="pay_1").status_code == 202
