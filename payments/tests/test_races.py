"""Providers and customers at the same moment, over real connections: money is applied once, or due for refund."""

import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order
from checkout.orders import creation_hook, transitions
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.tests.support.racing import (
    Meeting,
    at_once,
    counts,
    replace,
    times,
    without_advisory_locks,
    without_row_locks,
)
from payments.inbox import early_events, matching, processing, rules
from payments.models import WebhookEvent
from payments.tests.factories import receive
from payments.tests.support.inbox import separate_processes, stored
from payments.tests.support.orders import payments, units

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def processes(monkeypatch):
    """Each thread stands for a process of its own."""
    separate_processes(monkeypatch)


def _one_event_twice_at_once(monkeypatch) -> list:
    order = OrderFactory(quantity=2)
    # Both have seen that the event is new before either stores it.
    monkeypatch.setattr(rules, "on_receipt", Meeting(2).before(rules.on_receipt))
    return at_once(*times(2, lambda: receive(key="evt_1", order_id=order.pk, payment_id="pay_1")))


def test_l11_of_two_equal_events_at_once_the_second_gets_the_outcome_of_the_first(monkeypatch):
    results = _one_event_twice_at_once(monkeypatch)

    assert counts(results) == {"Receipt": 2}
    assert sorted(receipt.is_replay for receipt in results) == [False, True]
    assert {receipt.event.status for receipt in results} == {"applied"}
    assert payments() == ["applied"]


def test_control_without_the_lock_on_the_event_id_the_second_hits_the_unique_key(monkeypatch):
    without_advisory_locks(monkeypatch)

    assert counts(_one_event_twice_at_once(monkeypatch)) == {"Receipt": 1, "IntegrityError": 1}


def test_the_same_event_twenty_times_at_once_is_applied_once():
    """Stress without a control of its own: the lock on the event id has one above."""
    order = OrderFactory(quantity=2)

    results = at_once(*times(20, lambda: receive(key="evt_1", order_id=order.pk, payment_id="pay_1")))

    assert counts(results) == {"Receipt": 20}
    assert [receipt.is_replay for receipt in results].count(False) == 1
    assert {receipt.event.status for receipt in results} == {"applied"}
    assert payments() == ["applied"]
    assert units(order.product) == (0, 2)
    assert audit.find_drift() == []


def test_two_success_events_of_one_order_pay_it_once():
    order = OrderFactory(quantity=2)

    at_once(*(lambda n=n: receive(order_id=order.pk, payment_id=f"pay_{n}") for n in range(2)))

    assert payments() == ["applied", "refund_due"]
    assert units(order.product) == (0, 2)
    assert audit.find_drift() == []


def test_success_and_failure_at_once_end_the_order_once():
    """Stress without a control of its own: the order's lock has one below."""
    product = ProductFactory(stock=30)
    made = [OrderFactory(product=product, payment_id=f"pay_{n}") for n in range(10)]

    at_once(
        *(lambda o=o: receive(order_id=o.pk, payment_id=o.payment_id) for o in made),
        *(lambda o=o: receive(status="failure", order_id=o.pk, payment_id=o.payment_id) for o in made),
    )

    paid = Order.objects.filter(status="paid").count()
    assert Order.objects.filter(status="cancelled").count() == 10 - paid
    assert payments() == ["applied"] * paid + ["refund_due"] * (10 - paid)
    assert units(product) == (0, paid)
    assert audit.find_drift() == []


def _success_and(other, monkeypatch, *, is_overdue: bool = False) -> tuple[str, object]:
    """Let a success and another verb on its order look at the order before either writes; return what came of them."""
    order = OrderFactory(quantity=2, payment_id="pay_1")
    if is_overdue:
        let_order_pass(order)
    meeting = Meeting(2)
    if is_overdue:
        # A payment that is not plain locks its order once more, alone.
        replace(monkeypatch, orders.lock, meeting.after(orders.lock))
    else:
        replace(monkeypatch, orders.locking_query, meeting.after_query(orders.locking_query))
    replace(monkeypatch, transitions.expire_all, meeting.after(transitions.expire_all))
    receipt, result = at_once(lambda: receive(order_id=order.pk, payment_id="pay_1"), lambda: other(order))
    return receipt.event.status, result


def _cancel(order):
    return orders.cancel(order.pk)


def _expire(_order):
    return orders.expire_due()


def _fail(order):
    return receive(status="failure", order_id=order.pk, payment_id="pay_1").event.status


def _pay_again(order):
    return receive(order_id=order.pk, payment_id="pay_2").event.status


def test_success_and_cancel_at_once_end_as_paid_or_as_a_refund(monkeypatch):
    succeeded, cancelled = _success_and(_cancel, monkeypatch)

    order = Order.objects.get()
    assert succeeded == "applied"
    assert (order.status, type(cancelled).__name__, payments()) in [
        ("paid", "OrderAlreadyPaid", ["applied"]),
        ("cancelled", "OrderView", ["refund_due"]),
    ]
    assert audit.find_drift() == []


def test_success_and_failure_at_once_end_as_paid_or_as_a_refund(monkeypatch):
    succeeded, failed = _success_and(_fail, monkeypatch)

    assert succeeded == "applied"
    assert (Order.objects.get().status, failed, payments()) in [
        ("paid", "ignored", ["applied"]),
        ("cancelled", "applied", ["refund_due"]),
    ]
    assert audit.find_drift() == []


def test_success_and_expiry_at_once_end_as_paid(monkeypatch):
    succeeded, _ = _success_and(_expire, monkeypatch, is_overdue=True)

    assert succeeded == "applied"
    assert (Order.objects.get().status, payments()) == ("paid", ["applied"])
    assert audit.find_drift() == []


def test_two_different_successes_at_once_end_as_one_payment_and_one_refund(monkeypatch):
    assert _success_and(_pay_again, monkeypatch) == ("applied", "applied")

    assert (Order.objects.get().status, payments()) == ("paid", ["applied", "refund_due"])
    assert audit.find_drift() == []


@pytest.mark.parametrize("other", [_cancel, _fail, _expire, _pay_again])
def test_control_without_the_order_lock_one_of_them_meets_a_fault(monkeypatch, other):
    without_row_locks(monkeypatch, Order)
    without_advisory_locks(monkeypatch)

    succeeded, result = _success_and(other, monkeypatch, is_overdue=other is _expire)

    assert "failed" in (succeeded, result) or type(result).__name__ == "StaleOrderError"


def _one_event_processed_twice(monkeypatch) -> WebhookEvent:
    order = OrderFactory(quantity=2)
    event = stored(order_id=order.pk, payment_id="pay_1")
    monkeypatch.setattr(processing, "locking_query", Meeting(2).after_query(processing.locking_query))
    at_once(*times(2, lambda: processing.process([event])))
    event.refresh_from_db()
    return event


def test_two_workers_never_process_one_event_twice(monkeypatch):
    assert _one_event_processed_twice(monkeypatch).status == "applied"
    assert payments() == ["applied"]
    assert audit.find_drift() == []


def test_control_without_its_locks_an_event_changes_its_verdict(monkeypatch):
    without_row_locks(monkeypatch, WebhookEvent)
    without_advisory_locks(monkeypatch)

    assert _one_event_processed_twice(monkeypatch).status == "ignored"


def _event_and_order_creation(monkeypatch) -> WebhookEvent:
    hold = HoldFactory(quantity=2)
    meeting = Meeting(2)
    # Both have looked for the other, and found nothing, before either commits.
    monkeypatch.setattr(matching, "find_order_id", meeting.after(matching.find_order_id))
    hook = meeting.after_query(early_events.early_events_query)
    monkeypatch.setattr(creation_hook._registration, "hook", hook)
    at_once(lambda: receive(hold_id=hold.pk, payment_id="pay_1"), lambda: orders.place(hold_id=hold.pk))
    return WebhookEvent.objects.get()


def test_l7_an_event_and_the_creation_of_its_order_never_miss_each_other(monkeypatch):
    event = _event_and_order_creation(monkeypatch)

    assert event.status == "applied"
    assert Order.objects.get().status == "paid"
    assert audit.find_drift() == []


def test_control_without_the_lock_on_references_the_event_stays_parked(monkeypatch):
    without_advisory_locks(monkeypatch)

    event = _event_and_order_creation(monkeypatch)

    assert event.status == "parked"
    assert Order.objects.get().status == "pending_payment"


@pytest.mark.parametrize("reference", ["hold_id", "payment_id"])
def test_many_events_racing_with_their_orders_all_arrive(reference):
    """Stress without a control of its own: the lock on references has one above."""
    product = ProductFactory(stock=20)
    made = [HoldFactory(product=product) for _ in range(10)]
    named = [{"hold_id": h.pk} if reference == "hold_id" else {"payment_id": f"pay_{h.pk}"} for h in made]

    at_once(
        *(lambda m=m: receive(**m) for m in named),
        *(lambda h=h: orders.place(hold_id=h.pk, payment_id=f"pay_{h.pk}", is_payment_id_proved=True) for h in made),
    )

    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"applied"}
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}
    assert units(product) == (0, 10)
    assert audit.find_drift() == []


def _two_contents_with_one_id(monkeypatch) -> list[str]:
    product = ProductFactory(stock=10)
    made = [OrderFactory(product=product) for _ in range(2)]
    monkeypatch.setattr(rules, "on_receipt", Meeting(2).before(rules.on_receipt))
    at_once(*(lambda o=o: receive(key="evt_1", order_id=o.pk, payment_id=f"pay_{o.pk}") for o in made))
    return sorted(WebhookEvent.objects.values_list("status", flat=True))


def test_one_id_with_two_contents_at_once_lets_one_stand(monkeypatch):
    assert _two_contents_with_one_id(monkeypatch) == ["applied", "needs_review"]
    assert payments() == ["applied"]


def test_control_without_the_lock_on_the_event_id_both_contents_stand(monkeypatch):
    without_advisory_locks(monkeypatch)

    assert _two_contents_with_one_id(monkeypatch) == ["applied", "applied"]
