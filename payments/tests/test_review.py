"""What staff decide about money that could not be matched, and who decided it."""

from decimal import Decimal
from uuid import uuid4

import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.core.refusals import NotFound
from flashsale.tests.support.racing import Meeting, at_once, counts, times, without_advisory_locks, without_row_locks
from payments import inbox, payment_records
from payments.inbox import processing, review
from payments.models import Payment, WebhookEvent
from payments.tests.factories import let_event_pass, receive, send


@pytest.fixture(autouse=True)
def clean_books(db):
    yield
    assert audit.find_drift() == []


@pytest.fixture
def staff(admin_user) -> dict:
    return {"staff": admin_user, "note": "Ticket 17"}


def doubtful(**members) -> WebhookEvent:
    """Return an event that needs review."""
    event = receive(**members).event
    assert event.status == "needs_review"
    return event


def money() -> dict[str, tuple[str, Decimal, str]]:
    return {p.payment_id: (p.status, p.amount, p.currency) for p in Payment.objects.all()}


def test_accepted_money_pays_its_order_with_the_amount_it_has(order, staff):
    event = doubtful(order_id=order.pk, payment_id="pay_1", amount="50.00", currency="EUR")

    settled = inbox.accept(event.pk, **staff)

    assert (settled.status, settled.reason) == ("applied", "order_paid")
    assert (settled.settled_by, settled.settled_note) == (staff["staff"], "Ticket 17")
    assert Order.objects.get().status == "paid"
    assert money() == {"pay_1": ("applied", Decimal(50), "EUR")}
    assert Stock.objects.get().sold == 2


def test_accepted_money_that_comes_too_late_is_due_for_refund(order, staff):
    event = doubtful(order_id=order.pk, payment_id="pay_1", amount="50.00")
    orders.cancel(order.pk)

    settled = inbox.accept(event.pk, **staff)

    assert (settled.status, settled.reason) == ("applied", "refund_due")
    assert money() == {"pay_1": ("refund_due", Decimal(50), "USD")}
    assert Order.objects.get().refund == "due"


def test_accepted_money_for_an_expired_order_takes_overdue_units_back_first(product, staff):
    late = OrderFactory(product=product, quantity=8)
    event = doubtful(order_id=late.pk, payment_id="pay_1", amount="1.00")
    let_order_pass(late)
    orders.expire_due()
    let_order_pass(OrderFactory(product=product, quantity=5))

    inbox.accept(event.pk, **staff)

    assert Order.objects.get(pk=late.pk).status == "paid"
    assert Stock.objects.get().sold == 8


def test_staff_say_which_order_money_without_a_reference_is_for(order, staff):
    event = doubtful(amount="59.98", currency="USD")

    with pytest.raises(review.OrderNeeded):
        inbox.accept(event.pk, **staff)
    settled = inbox.accept(event.pk, order_id=order.pk, **staff)

    assert (settled.order_id, settled.reason) == (order.pk, "order_paid")
    assert money() == {event.event_id: ("applied", Decimal("59.98"), "USD")}


@pytest.mark.parametrize("currency", ["USD", "JPY"])
@pytest.mark.parametrize("named", ["nothing", "an unknown order", "two orders"])
def test_money_that_staff_give_to_an_order_that_other_money_paid_is_due_for_refund(currency, named, staff):
    order = OrderFactory(product=ProductFactory(price=Decimal(300), currency=currency))
    other = OrderFactory(product=order.product)
    receive(order_id=order.pk, payment_id="pay_1")
    names = {"nothing": {}, "an unknown order": {"order_id": uuid4(), "hold_id": other.hold_id},
             "two orders": {"order_id": order.pk, "hold_id": other.hold_id}}[named]  # fmt: skip
    event = doubtful(amount="5.00", currency="USD", **names)

    settled = inbox.accept(event.pk, order_id=order.pk, **staff)

    assert (settled.status, settled.reason, settled.order_id) == ("applied", "refund_due", order.pk)
    assert money()[event.event_id] == ("refund_due", Decimal(5), "USD")
    order.refresh_from_db()
    assert (order.status, order.refund) == ("paid", "due")
    assert list(payment_records.due().values_list("payment_id", flat=True)) == [event.event_id]


@pytest.mark.parametrize("reference", ["order_id", "hold_id"])
def test_money_without_a_payment_id_that_names_a_paid_order_is_that_orders_payment(order, reference, staff):
    names = {"order_id": order.pk, "hold_id": order.hold_id}[reference]
    event = doubtful(amount="5.00", **{reference: names})
    receive(order_id=order.pk, payment_id="pay_1")

    settled = inbox.accept(event.pk, order_id=order.pk, **staff)

    assert (settled.status, settled.reason) == ("ignored", "order_already_paid")
    assert set(money()) == {"pay_1"}


def test_money_that_belongs_to_no_order_is_given_back(staff):
    event = doubtful(amount="12.50", currency="EUR")

    settled = inbox.refund(event.pk, **staff)

    assert (settled.status, settled.reason, settled.order_id) == ("applied", "refund_due", None)
    assert money() == {event.event_id: ("refund_due", Decimal("12.50"), "EUR")}


@pytest.mark.parametrize("members", [{}, {"amount": "12.50"}, {"currency": "EUR"}], ids=str)
def test_staff_say_how_much_where_nothing_else_does(members, staff):
    event = doubtful(**members)

    with pytest.raises(review.AmountNeeded):
        inbox.refund(event.pk, **staff)
    inbox.refund(event.pk, amount=Decimal("12.50"), currency="EUR", **staff)

    assert money() == {event.event_id: ("refund_due", Decimal("12.50"), "EUR")}


def test_refunded_money_of_an_order_leaves_the_order_as_it_is(order, staff):
    event = doubtful(order_id=order.pk, payment_id="pay_1", amount="50.00")

    inbox.refund(event.pk, **staff)

    assert money() == {"pay_1": ("refund_due", Decimal(50), "USD")}
    order = Order.objects.get()
    assert (order.status, order.refund) == ("pending_payment", "due")


def test_the_refund_of_money_without_an_order_is_recorded_when_it_is_told(staff):
    event = receive(payment_id="pay_1", order_id=uuid4(), amount="12.50", currency="EUR").event
    let_event_pass(event, seconds=90_000)
    inbox.process_due()
    inbox.refund(event.pk, **staff)

    told = receive(status="refunded", payment_id="pay_1", amount="12.50", currency="EUR").event
    again = receive(status="refunded", payment_id="pay_1", amount="12.50", currency="EUR").event

    assert (told.status, again.status) == ("applied", "ignored")
    assert money() == {"pay_1": ("refunded", Decimal("12.50"), "EUR")}


@pytest.mark.parametrize("status", ["failure", "refunded"])
def test_only_money_can_be_given_back(order, staff, status):
    event = doubtful(status=status, order_id=order.pk, payment_id="pay_1", amount="1.00", currency="EUR")

    with pytest.raises(review.NotMoney):
        inbox.refund(event.pk, **staff)

    assert money() == {}


def test_a_payment_that_is_known_is_not_given_back_a_second_time(order, staff):
    receive(key="evt_1", order_id=order.pk, payment_id="pay_1")
    event = doubtful(key="evt_1", order_id=order.pk, payment_id="pay_1", amount="50.00")

    with pytest.raises(review.PaymentAlreadyKnown, match="applied"):
        inbox.refund(event.pk, **staff)
    settled = inbox.accept(event.pk, **staff)

    assert (settled.status, settled.reason) == ("ignored", "payment_already_known")
    assert money() == {"pay_1": ("applied", Decimal("59.98"), "USD")}


def test_an_accepted_failure_cancels_its_order(order, staff):
    event = doubtful(status="failure", order_id=order.pk, amount="1.00")

    inbox.accept(event.pk, **staff)

    assert Order.objects.get().status == "cancelled"


def test_a_refund_that_came_before_its_payment_is_accepted_after_it(order, staff):
    event = doubtful(status="refunded", order_id=order.pk, payment_id="pay_1")

    with pytest.raises(review.CannotAccept, match="is not recorded for this order"):
        inbox.accept(event.pk, **staff)
    receive(order_id=order.pk, payment_id="pay_1")
    inbox.accept(event.pk, **staff)

    assert money() == {"pay_1": ("refunded", Decimal("59.98"), "USD")}


@pytest.mark.parametrize("verb", [inbox.accept, inbox.refund, inbox.dismiss])
def test_what_is_settled_is_not_settled_again(order, staff, verb):
    event = doubtful(order_id=order.pk, payment_id="pay_1", amount="50.00")
    inbox.dismiss(event.pk, **staff)

    with pytest.raises(review.NotSettleable, match="ignored"):
        verb(event.pk, **staff)

    assert money() == {}
    assert Order.objects.get().status == "pending_payment"


@pytest.mark.parametrize("verb", [inbox.accept, inbox.refund, inbox.dismiss])
def test_what_does_not_exist_cannot_be_settled(staff, verb):
    with pytest.raises(NotFound):
        verb(1, **staff)


def test_an_event_that_says_nothing_can_only_be_dismissed(order, staff):
    receive(key="evt_1", order_id=order.pk, payment_id="pay_1")
    event = doubtful(key="evt_1", status="charged back", order_id=order.pk)

    with pytest.raises(review.CannotAccept):
        inbox.accept(event.pk, **staff)
    settled = inbox.dismiss(event.pk, **staff)

    assert (settled.status, settled.reason) == ("ignored", "dismissed_by_staff")


def test_money_whose_order_never_came_can_be_given_back(staff):
    event = receive(payment_id="pay_1", order_id=uuid4(), amount="12.50", currency="EUR").event
    let_event_pass(event, seconds=90_000)
    inbox.process_due()

    inbox.refund(event.pk, **staff)

    assert money() == {"pay_1": ("refund_due", Decimal("12.50"), "EUR")}


def _accepted_twice(monkeypatch, admin_user) -> dict[str, int]:
    hold = HoldFactory(quantity=2)
    order = orders.place(hold_id=hold.pk)
    event = doubtful(order_id=order.pk, payment_id="pay_1", amount="50.00")
    monkeypatch.setattr(processing, "lock", Meeting(2).after(processing.lock))
    return counts(at_once(*times(2, lambda: inbox.accept(event.pk, staff=admin_user, note="Ticket 17"))))


@pytest.mark.django_db(transaction=True)
def test_of_two_members_of_staff_at_once_one_wins_and_the_other_is_told(monkeypatch, admin_user):
    assert _accepted_twice(monkeypatch, admin_user) == {"WebhookEvent": 1, "NotSettleable": 1}


@pytest.mark.django_db(transaction=True)
def test_control_without_the_events_locks_both_decisions_succeed(monkeypatch, admin_user):
    without_row_locks(monkeypatch, WebhookEvent)
    without_advisory_locks(monkeypatch)

    assert _accepted_twice(monkeypatch, admin_user) == {"WebhookEvent": 2}


@pytest.mark.parametrize("reference", ["order_id", "hold_id"])
def test_money_with_a_malformed_reference_is_for_staff(api, order, reference):
    assert send(api, **{reference: "order-1234"}).json()["outcome"] == "needs_review"


def test_two_payments_known_by_one_events_id_are_settled_one_after_the_other(admin_user, product):
    """One id with two contents, and staff accept both at once: the second is refused, as the payment is known."""
    order = OrderFactory(product=product)
    first = receive(key="evt_1", order_id=order.pk, amount="7.00").event
    second = receive(key="evt_1", order_id=order.pk, amount="8.00").event
    assert {first.status, second.status} == {"needs_review"}

    inbox.accept(first.pk, staff=admin_user, note="a")
    inbox.accept(second.pk, staff=admin_user, note="b")

    assert Payment.objects.count() == 1


def test_a_second_event_of_money_that_staff_gave_back_is_settled_by_itself(api, admin_user):
    """A session and its intent tell of one payment that belongs to no order here."""
    [event] = [receive(payment_id="pay_1", amount="5.00", currency="USD").event]
    let_event_pass(event, seconds=25 * 3600)
    inbox.process_due()
    inbox.refund(event.pk, staff=admin_user, note="Not ours")

    second = receive(payment_id="pay_1", amount="5.00", currency="USD").event

    assert (second.status, second.reason) == ("ignored", "payment_already_known")
    assert inbox.process_due() == 0
