"""The inbox: nothing that was stored is forgotten, whatever fails in between."""

import pytest
from django_celery_beat.models import PeriodicTask

from catalog.models import Stock
from checkout import audit, holds, orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from payments import inbox, retention, tasks
from payments.inbox import matching, processing, rules
from payments.inbox.deliveries import LEASE_SECONDS
from payments.models import Payment, WebhookEvent
from payments.tests.factories import let_event_pass, receive, send
from payments.tests.support.inbox import dying_before_processing


@pytest.fixture
def broken(monkeypatch):
    """Returns what makes the processing of events with this payment id fail, until it is called with None."""
    find = matching.find_order_id
    state = {"payment": None}

    def find_or_fail(event):
        if event.payment_ref == state["payment"]:
            raise ZeroDivisionError("poison")
        return find(event)

    # No success is plain: the rules look at each by itself.
    monkeypatch.setattr(rules, "pay_plain", lambda undecided, facts: [])
    monkeypatch.setattr(matching, "find_order_id", find_or_fail)
    return lambda payment_id: state.update(payment=payment_id)


def test_l8_an_event_stored_by_a_process_that_died_is_finished_by_the_worker(order):
    with dying_before_processing():
        event = receive(order_id=order.pk, payment_id="pay_1").event

    tasks.reconcile_webhook_events()
    assert WebhookEvent.objects.get().status == "received"
    let_event_pass(event, seconds=LEASE_SECONDS + 1)
    tasks.reconcile_webhook_events()

    assert WebhookEvent.objects.get().status == "applied"
    assert Order.objects.get().status == "paid"


def test_l9_an_error_is_answered_202_and_the_worker_finishes_it(api, order, broken):
    broken("pay_1")
    response = send(api, order_id=str(order.pk), payment_id="pay_1")
    event = WebhookEvent.objects.get()
    assert (event.status, event.reason) == ("failed", "error")
    assert "poison" in event.last_error

    broken(None)
    let_event_pass(event, seconds=processing.BACKOFF_CAP_SECONDS)
    tasks.reconcile_webhook_events()

    assert (response.status_code, response.json()["outcome"]) == (202, "failed")
    assert WebhookEvent.objects.get().status == "applied"
    assert Stock.objects.get().sold == 2
    assert audit.find_drift() == []


def test_the_provider_may_send_a_failed_event_again(api, order, broken):
    broken("pay_1")
    send(api, key="evt_1", order_id=str(order.pk), payment_id="pay_1")
    broken(None)

    again = send(api, key="evt_1", order_id=str(order.pk), payment_id="pay_1")

    assert (again.status_code, again.json()["outcome"]) == (200, "applied")
    assert again.headers["Idempotent-Replayed"] == "true"


def test_k5_a_poison_event_is_given_up_and_holds_up_neither_others_nor_expiry(product, broken, schedule):
    poisoned, healthy = OrderFactory(product=product), OrderFactory(product=product)
    broken("pay_poison")
    with dying_before_processing():
        poison = receive(order_id=poisoned.pk, payment_id="pay_poison").event
        behind = receive(order_id=healthy.pk, payment_id="pay_1").event
    for event in (poison, behind):
        let_event_pass(event, seconds=LEASE_SECONDS + 1)

    tasks.reconcile_webhook_events()
    state_behind_it = Order.objects.get(pk=healthy.pk).status
    for _ in range(processing.MAX_ATTEMPTS):
        let_event_pass(poison, seconds=processing.BACKOFF_CAP_SECONDS)
        tasks.reconcile_webhook_events()

    poison.refresh_from_db()
    assert state_behind_it == "paid"
    assert (poison.status, poison.reason, poison.attempts) == ("dead", "gave_up", processing.MAX_ATTEMPTS)
    of_expiry = PeriodicTask.objects.filter(queue="expiry").values_list("task", flat=True)
    assert set(of_expiry) == {"checkout.tasks.expire_holds", "checkout.tasks.expire_orders"}


def test_an_event_that_kills_its_process_is_given_up_as_well(order):
    with dying_before_processing():
        event = receive(order_id=order.pk, payment_id="pay_1").event

        for _ in range(processing.MAX_ATTEMPTS):
            let_event_pass(event, seconds=LEASE_SECONDS + 1)
            tasks.reconcile_webhook_events()

    event.refresh_from_db()
    assert event.status == "dead"


def test_a_poison_event_never_stops_the_order_it_waits_for(hold, broken):
    broken("pay_1")
    receive(hold_id=hold.pk, payment_id="pay_1")

    order = orders.place(hold_id=hold.pk)

    event = WebhookEvent.objects.get()
    assert order.status == "pending_payment"
    assert event.status == "failed"
    broken(None)
    let_event_pass(event, seconds=processing.BACKOFF_CAP_SECONDS)
    tasks.reconcile_webhook_events()
    assert Order.objects.get().status == "paid"


@pytest.mark.parametrize(("status", "after"), [("success", "needs_review"), ("failure", "ignored")])
def test_a_parked_event_whose_order_never_comes_is_given_up_after_a_day(db, status, after):
    event = receive(status=status, payment_id="pay_1").event
    let_event_pass(event, seconds=23 * 3600)
    tasks.reconcile_webhook_events()
    assert WebhookEvent.objects.get().status == "parked"

    let_event_pass(event, seconds=3600)
    tasks.reconcile_webhook_events()

    assert (WebhookEvent.objects.get().status, WebhookEvent.objects.get().reason) == (after, "order_never_came")


def test_the_worker_finds_parked_events_whose_order_became_known(order):
    parked = receive(payment_id="pay_1").event
    # Money that differs is for staff, and proves all the same whose payment `pay_1` is.
    doubtful = receive(order_id=order.pk, payment_id="pay_1", amount="1.00").event
    assert (parked.status, doubtful.status) == ("parked", "needs_review")

    tasks.reconcile_webhook_events()

    parked.refresh_from_db()
    assert (parked.status, parked.reason, parked.order_id) == ("applied", "order_paid", order.pk)
    assert Order.objects.get().status == "paid"
    assert Stock.objects.get().sold == 2


def test_the_worker_finds_parked_events_whose_payment_became_known(order):
    orders.cancel(order.pk)
    early = receive(status="failure", payment_id="pay_1").event
    receive(order_id=order.pk, hold_id=order.hold_id, payment_id="pay_1")

    tasks.reconcile_webhook_events()

    early.refresh_from_db()
    assert (early.status, early.order_id) == ("ignored", order.pk)


def test_k6_every_due_event_is_worked_off_batch_after_batch(product, monkeypatch):
    made = [OrderFactory(product=product) for _ in range(7)]
    with dying_before_processing():
        for order in made:
            let_event_pass(receive(order_id=order.pk).event, seconds=LEASE_SECONDS + 1)
    monkeypatch.setattr(tasks, "DUE_BATCH_ROWS", 2)
    monkeypatch.setattr(inbox.process_due, "__kwdefaults__", {"limit": 2})

    tasks.reconcile_webhook_events()

    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"applied"}
    assert Stock.objects.get().sold == 7


def test_l4_an_order_outlives_its_hold_and_the_payment_finds_it(product):
    hold = HoldFactory(product=product, quantity=2)
    order = orders.place(hold_id=hold.pk)
    let_hold_pass(hold, seconds=300)
    let_order_pass(order, seconds=300)

    expired = holds.expire_due(), orders.expire_due()
    receive(order_id=order.pk, payment_id="pay_1")

    assert expired == (0, 0)
    assert Order.objects.get().status == "paid"
    assert Payment.objects.get().status == "applied"


def test_old_bodies_are_forgotten_and_verdicts_kept(order):
    event = receive(order_id=order.pk, payment_id="pay_1").event
    let_event_pass(event, seconds=(retention.BODIES_KEPT_DAYS + 1) * 86_400)
    young = receive(order_id=order.pk, payment_id="pay_2").event

    tasks.purge_event_bodies()

    event.refresh_from_db()
    young.refresh_from_db()
    assert (event.body, event.status, event.event_id != "") == (None, "applied", True)
    assert young.body is not None


def test_staff_retry_a_dead_event_and_it_is_applied(admin_client, hold):
    event = receive(hold_id=hold.pk, payment_id="pay_1").event
    # It was given up after errors; the order came meanwhile.
    WebhookEvent.objects.update(status="dead", reason="gave_up", attempts=12, parked_at=None)
    order = orders.place(hold_id=hold.pk)

    decision = {"action": "retry", "_selected_action": [event.pk], "confirmed": "yes", "note": "The order is there now"}
    page = admin_client.post("/admin/payments/webhookevent/", decision, follow=True)

    assert f"Order {order.pk.hex[:8]} is paid" in page.text
    assert WebhookEvent.objects.get().status == "applied"
    assert Order.objects.get(pk=order.pk).status == "paid"


def test_only_dead_events_are_retried(order):
    event = receive(order_id=order.pk, payment_id="pay_1").event

    with pytest.raises(inbox.NotDead):
        inbox.retry(event.pk)

    assert WebhookEvent.objects.get().status == "applied"
    assert Payment.objects.count() == 1
