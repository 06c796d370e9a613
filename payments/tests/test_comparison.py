"""The daily comparison: what is missing here is taken, what is recorded otherwise is told to staff once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments import asking, explanations
from payments.models import EventCursor, Payment, WebhookEvent
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import ListingFailed, Outcome, PaymentAnswer, PaymentState
from payments.tests.support.account import SHOP, Account, attempt_for
from payments.tests.support.stripe_events import outcome, send

pytestmark = pytest.mark.usefixtures("stripe_in_production")


@pytest.fixture
def account(monkeypatch, settings, db) -> Account:
    """The account of this shop, from which it learns of payments only by asking."""
    settings.SHOP_ID = SHOP
    settings.STRIPE_REQUESTS_PER_SECOND = 1000
    account = Account()
    monkeypatch.setitem(PAYMENT_CLIENTS, "stripe", account)
    return account


@pytest.fixture
def paid(account, api, order) -> Order:
    """An order that is paid by a payment of the shop, of which a webhook told."""
    attempt_for(order, "pi_1")
    assert outcome(send(api, account.succeed(order, payment_id="pi_1"))) == "applied"
    return order


def compare(**options) -> tuple[int, int, int, int]:
    """Compare; return how many payments were compared, were missing, differed, and were told of for the first time."""
    found = asking.compare("stripe", **options)
    return found.compared, found.missing, found.differences, found.new_differences


def told() -> list[str]:
    """Return what staff are told, in the order of its events."""
    events = WebhookEvent.objects.filter(status="needs_review").order_by("pk")
    return [explanations.why(explanations.read(event)) for event in events]


def test_a_payment_that_is_missing_here_is_taken_once(account, order):
    attempt_for(order, "pi_1")
    account.holds(order, "pi_1")

    assert compare() == (1, 1, 0, 0)
    assert compare() == (1, 0, 0, 0)
    event = WebhookEvent.objects.get()
    assert (event.event_id, event.source, event.status) == ("pi_1:succeeded", "asked", "applied")
    assert Order.objects.get().status == "paid"


def test_a_missing_payment_of_another_amount_is_left_to_staff_once(account, api, order):
    order.total_amount = Decimal("10.00")
    account.holds(order, "pi_1")
    Order.objects.filter(pk=order.pk).update(total_amount=Decimal("59.98"))

    assert compare() == (1, 1, 0, 0)
    assert compare() == (1, 0, 0, 0)
    assert told() == ["paid 10.00 USD, expected 59.98 USD"]


def test_what_is_recorded_as_the_provider_says_is_no_difference(account, paid):
    account.holds(paid, "pi_1")

    assert compare() == (1, 0, 0, 0)
    assert EventCursor.objects.get().compared_until is not None


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"amount": Decimal("30.00")}, "the provider took 30.00 USD for {0}, recorded here are 59.98 USD for {0}"),
        ({"currency": "EUR"}, "the provider took 59.98 EUR for {0}, recorded here are 59.98 USD for {0}"),
    ],
)
def test_another_amount_or_currency_is_told_to_staff_once(account, paid, members, sentence):
    account.holds(paid, "pi_1", **members)

    assert compare() == (1, 0, 1, 1)
    assert compare() == (1, 0, 1, 0)
    assert told() == [sentence.format(f"order {str(paid.pk)[:8]}")]


def test_another_order_is_told_to_staff_once(account, admin_user, paid, product):
    other = OrderFactory(product=product, quantity=2)
    attempt = attempt_for(other, "pi_other")
    paid.payment_attempts.update(object_id="pi_gone", payment_id="pi_gone")
    attempt.payment_id = "pi_1"
    attempt.save()
    account.holds(paid, "pi_1", attempt_id=attempt.pk)

    assert [compare(), compare()] == [(1, 0, 1, 1), (1, 0, 1, 0)]
    [sentence] = told()
    assert sentence.startswith(f"the provider took 59.98 USD for order {str(other.pk)[:8]}")
    # Staff gave the money to this order themselves: they know.
    WebhookEvent.objects.filter(status="applied").update(settled_by=admin_user, settled_note="by phone")
    assert compare() == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"outcome": Outcome.MISSING}, "unknown to it"),
        ({"outcome": Outcome.DONE, "state": PaymentState.ENDED}, "ended unpaid"),
        ({"outcome": Outcome.DONE, "state": PaymentState.PROCESSING}, "not decided yet"),
    ],
)
def test_what_is_applied_here_and_not_paid_there_is_told_to_staff_once(account, paid, answer, said):
    described = replace(account.holds(paid, "pi_1"), state=answer.get("state", PaymentState.ENDED), event=None)
    account.payments.clear()
    payment = described if "state" in answer else None
    account.answers["pi_1"] = PaymentAnswer(outcome=answer["outcome"], payment=payment)

    assert [compare(since=_yesterday()), compare(since=_yesterday())] == [(0, 0, 1, 1), (0, 0, 1, 0)]
    assert told() == [f"the payment of 59.98 USD is recorded here as applied, the provider says that it is {said}"]
    assert Payment.objects.get().status == "applied"


def test_without_a_clear_answer_nothing_is_told(account, paid):
    assert compare() == (0, 0, 0, 0)
    assert told() == []


def test_another_shops_payments_are_not_compared(account, api, paid, product, settings):
    """A restored copy of the database has the payments of the real shop, and is another one."""
    theirs = OrderFactory(product=product, quantity=2)
    account.holds(theirs, "pi_theirs", shop="shop-2")
    account.holds(paid, "pi_1", amount=Decimal("1.00"))
    settings.SHOP_ID = "copy"
    account.answers["pi_1"] = PaymentAnswer(outcome=Outcome.MISSING)

    assert compare() == (0, 0, 0, 0)
    assert (told(), Order.objects.get(pk=theirs.pk).status) == ([], "pending_payment")


def test_after_days_without_a_comparison_all_of_them_are_compared(account):
    compare()
    four_days = timedelta(days=4)
    EventCursor.objects.update(compared_until=EventCursor.objects.get().compared_until - four_days)

    since = asking.compare("stripe").since

    assert EventCursor.objects.get().compared_until - since > timedelta(days=3)


def test_a_list_that_breaks_off_is_no_comparison(account, monkeypatch):
    monkeypatch.setattr(account, "list_payments", _break_off)

    with pytest.raises(ListingFailed):
        compare()

    assert EventCursor.objects.get().compared_until is None


def _yesterday():
    return Payment.objects.get().created_at - timedelta(days=1)


def _break_off(**kwargs):
    raise ListingFailed("The provider does not answer.")
