"""Disputes are linked to their payment, shown to staff, and change neither order nor units."""

import pytest

from catalog.models import Stock
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments import inbox
from payments.inbox import review
from payments.models import Dispute, Payment, WebhookEvent
from payments.tests.factories import let_event_pass
from payments.tests.support.stripe_events import INTENT, event, intent, send

pytestmark = pytest.mark.usefixtures("stripe_mode")
NOW = 1_790_000_000


@pytest.fixture
def stripe_mode(settings, db):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new0000000000000000000000000000"]
    settings.STRIPE_LIVEMODE = True


def dispute(kind: str, *, at: int = NOW, **members) -> dict:
    thing = {
        "id": "du_1",
        "object": "dispute",
        "amount": 5998,
        "currency": "usd",
        "charge": "ch_1",
        "payment_intent": INTENT,
        "reason": "fraudulent",
        "status": "needs_response",
        "metadata": {"order_id": "of no order"},
    } | members
    return event(f"charge.dispute.{kind}", thing) | {"created": at}


@pytest.fixture
def paid(api, order) -> Order:
    assert send(api, event("payment_intent.succeeded", intent(order))).json()["outcome"] == "applied"
    return order


def state() -> tuple:
    stock = Stock.objects.get()
    return Order.objects.get().status, stock.reserved, stock.sold, Payment.objects.get().status


@pytest.mark.parametrize("kind", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"])
def test_a_dispute_is_linked_to_its_payment_and_changes_nothing_else(api, paid, kind):
    before = state()

    answer = send(api, dispute(kind)).json()

    assert (answer["outcome"], answer["order_id"]) == ("applied", str(paid.pk))
    [stored] = Dispute.objects.all()
    assert (stored.payment.payment_id, stored.status, stored.reason) == (INTENT, "open", "fraudulent")
    assert WebhookEvent.objects.get(kind="dispute").order_id == paid.pk
    assert state() == before == ("paid", 0, 2, "applied")


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("won", "won"),
        ("lost", "lost"),
        ("warning_closed", "won"),
        ("under_review", "open"),
        (None, "open"),
        (7, "open"),
    ],
)
def test_a_dispute_ends_as_the_provider_says(api, paid, status, after):
    send(api, dispute("created"))

    send(api, dispute("closed", at=NOW + 60, status=status))

    assert Dispute.objects.get().status == after


def test_news_in_the_wrong_order_do_not_open_it_again(api, paid):
    send(api, dispute("closed", at=NOW + 60, status="lost"))

    assert send(api, dispute("created")).json()["outcome"] == "ignored"
    assert send(api, dispute("updated", at=NOW + 60)).json()["outcome"] == "ignored"
    assert Dispute.objects.get().status == "lost"


def test_a_dispute_before_its_payment_waits_for_it(api, order):
    assert send(api, dispute("created")).json()["outcome"] == "parked"
    send(api, event("payment_intent.succeeded", intent(order)))

    inbox.process_due()

    assert Dispute.objects.get().payment.order_id == order.pk
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"applied"}


def test_a_dispute_of_another_shop_is_nothing_for_staff(api, paid):
    send(api, dispute("created", payment_intent="pi_other"))
    let_event_pass(WebhookEvent.objects.get(kind="dispute"), seconds=25 * 3600)

    inbox.process_due()

    assert WebhookEvent.objects.get(kind="dispute").status == "ignored"
    assert not Dispute.objects.exists()


UNREADABLE = [{"id": None}, {"id": 7}, {"id": "d" * 256}, {"payment_intent": None}, {"payment_intent": "p" * 256}]


@pytest.mark.parametrize("members", [*UNREADABLE, {"amount": None}, {"currency": None}])
def test_a_dispute_that_cannot_be_read_is_for_staff(api, paid, members):
    assert send(api, dispute("created", **members)).json()["outcome"] == "needs_review"
    assert not Dispute.objects.exists()


@pytest.mark.parametrize("members", UNREADABLE, ids=str)
def test_what_staff_cannot_accept_of_it_is_a_refusal(api, paid, admin_user, members):
    send(api, dispute("created", **members))
    event = WebhookEvent.objects.get(kind="dispute")

    for given in ({}, {"order_id": paid.pk}):
        with pytest.raises((review.CannotAccept, review.OrderNeeded)):
            inbox.accept(event.pk, staff=admin_user, note="Seen", **given)

    assert not Dispute.objects.exists()


def test_a_dispute_about_a_payment_that_a_token_named_is_not_tried_until_the_payment_is_known(api, product):
    OrderFactory(product=product, payment_id=INTENT)
    send(api, dispute("created"))

    assert inbox.process_due() == 0


@pytest.mark.parametrize(("status", "waits"), [("needs_response", True), ("lost", True), ("won", False)])
def test_open_and_lost_disputes_wait_for_a_human(admin_client, api, paid, status, waits):
    send(api, dispute("closed", status=status))

    first_page = admin_client.get("/admin/").text
    listed = admin_client.get("/admin/payments/dispute/?status__in=open,lost").text
    story = admin_client.get(f"/admin/checkout/order/{paid.pk}/change/").text

    assert "Disputes" in first_page
    assert ("du_1" in listed) is waits
    assert "du_1" in story
