"""Random interleavings of everything that changes holds, orders and payments: the promises hold after each step."""

import contextlib
from collections import Counter
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from catalog.inventory import InsufficientStock
from catalog.models import Stock
from catalog.sales import LimitExceeded
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders, tasks
from checkout.models import Hold, Order
from checkout.tests.factories import let_hold_pass, let_order_pass
from flashsale.core.refusals import Refusal
from payments import inbox, payment_records, refunds
from payments import tasks as payment_tasks
from payments.attempts import due
from payments.models import Payment, RefundRequest, WebhookEvent
from payments.tests.factories import let_event_pass, receive, undone
from payments.tests.support.paying import Paying

LIMIT = 3
CUSTOMERS = ["ann", "bob"]
UNITS_OF_CUSTOMERS = {"pending_payment", "paid"}
FINAL = {Order.Status.PAID, Order.Status.CANCELLED}
SEEN_BY_STAFF = {"needs_review", "parked", "dead"}


def _is_due(payment: Payment) -> bool:
    """Say, without the code under test, whether something of a payment has to be given back."""
    target = payment.amount if payment.status == "refund_due" else payment.refund_target
    return payment.refunded_amount < target


class Sale(Paying, RuleBasedStateMachine):
    """A shop with two products, two customers, providers that repeat and contradict themselves, and a late worker."""

    placed = Bundle("placed")
    ordered = Bundle("ordered")
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.example = undone()
        self.example.__enter__()
        self.products = [ProductFactory(stock=6, max_per_customer=LIMIT), ProductFactory(stock=4)]
        self.staff = get_user_model().objects.create_user("ann")
        self.final: dict = {}

    def teardown(self) -> None:
        try:
            self.everything_has_run()
            self.the_books_are_right()
        finally:
            self.example.__exit__(None, None, None)

    @rule(target=placed, which=st.integers(0, 1), quantity=st.integers(1, LIMIT), customer=st.sampled_from(CUSTOMERS))
    def place(self, which, quantity, customer):
        try:
            return holds.place(product_id=self.products[which].pk, quantity=quantity, customer_id=customer).pk
        except (InsufficientStock, LimitExceeded):
            return None

    @rule(hold=placed)
    def release(self, hold):
        self._try(lambda: holds.release(hold))

    @rule(target=ordered, hold=placed, names_payment=st.booleans())
    def order(self, hold, names_payment):
        placed = self._try(lambda: orders.place(hold_id=hold, payment_id=f"pay_{hold}" if names_payment else None))
        return placed.pk if placed else None

    @rule(order=ordered)
    def cancel(self, order):
        self._try(lambda: orders.cancel(order))

    @rule(hold=placed)
    def hold_runs_out(self, hold):
        if hold:
            let_hold_pass(Hold(pk=hold))

    @rule(order=ordered)
    def payment_window_closes(self, order):
        if order:
            let_order_pass(Order(pk=order))

    @rule(
        target=sent,
        order=ordered,
        status=st.sampled_from(["success", "success", "failure", "refunded", "charged back"]),
        payment=st.sampled_from(["own", "other", "none"]),
        amount=st.sampled_from(["right", "right", "wrong", "absent", "part"]),
    )
    def event(self, order, status, payment, amount):
        if order is None:
            return None
        members = {"order_id": order} | self._payment(Order.objects.get(pk=order), payment)
        return self._send(status, members | self._amount(Order.objects.get(pk=order), amount))

    @rule(
        target=sent,
        hold=placed,
        status=st.sampled_from(["success", "failure"]),
        by=st.sampled_from(["hold", "payment"]),
    )
    def early_event(self, hold, status, by):
        if hold is None:
            return None
        return self._send(status, {"hold_id": hold} if by == "hold" else {"payment_id": f"pay_{hold}"})

    @rule(message=sent)
    def same_event_again(self, message):
        if message:
            before = WebhookEvent.objects.count()
            assert receive(**message).is_replay
            assert WebhookEvent.objects.count() == before

    @rule(message=consumes(sent))
    def same_id_saying_something_else(self, message):
        if message:
            receipt = receive(**message | {"amount": "0.07"})
            assert receipt.event.status == "needs_review"

    @rule()
    def worker_runs(self):
        tasks.expire_holds()
        tasks.expire_orders()
        payment_tasks.reconcile_webhook_events()

    @rule(message=sent)
    def a_day_passes_for_an_event(self, message):
        if message:
            for event in WebhookEvent.objects.filter(event_id=message["key"]):
                let_event_pass(event, seconds=86_400)

    @rule(message=sent, verb=st.sampled_from([inbox.accept, inbox.refund, inbox.dismiss]))
    def staff_settle_an_event(self, message, verb):
        if message:
            for event in WebhookEvent.objects.filter(event_id=message["key"]):
                self._try(lambda event=event: verb(event.pk, staff=self.staff, note="Ticket 17"))

    @rule(order=ordered)
    def staff_give_money_back(self, order):
        for payment in Payment.objects.filter(order=order):
            if _is_due(payment):
                refunds.mark_refunded(payment, staff=self.staff, note="by bank transfer")

    @rule(
        order=ordered,
        part=st.sampled_from([None, Decimal(0), Decimal("0.01"), Decimal(10), Decimal("29.99")]),
        units=st.integers(0, LIMIT),
        already_done=st.booleans(),
    )
    def staff_refund_an_order(self, order, part, units, already_done):
        if order is None:
            return
        wanted = {"amount": part, "restock_units": units, "already_done": already_done}
        self._try(lambda: refunds.request(order, staff=self.staff, note="Ticket 17", **wanted))

    @rule(order=ordered, refund=st.integers(1, 3))
    def a_refund_fails_later(self, order, refund):
        for payment in Payment.objects.filter(order=order, status="refunded"):
            self._refund_fails(payment, refund_id=f"re_{refund}")

    @invariant()
    def the_books_are_right(self):
        assert audit.find_drift() == []
        assert not Stock.objects.filter(total__lt=F("reserved") + F("sold")).exists()

    @invariant()
    def final_states_are_final(self):
        for pk, status in Order.objects.values_list("pk", "status"):
            assert self.final.get(pk, status) == status
            if status in FINAL:
                self.final[pk] = status

    @invariant()
    def no_customer_has_more_than_allowed(self):
        """Counted here, row by row: what is set aside, waits for its payment, or was bought."""
        product = self.products[0]
        units = Counter()
        for hold in Hold.objects.filter(product=product, status="active"):
            units[hold.customer_id] += hold.quantity
        for order in Order.objects.filter(product=product, status__in=UNITS_OF_CUSTOMERS):
            units[order.customer_id] += order.quantity - order.restocked_units
        assert all(units[customer] <= LIMIT for customer in CUSTOMERS)

    @invariant()
    def what_was_put_back_was_asked_for(self):
        for order in Order.objects.all():
            asked = RefundRequest.objects.filter(payment__order=order).aggregate(units=Sum("restocked_units"))
            assert order.restocked_units == (asked["units"] or 0)

    @invariant()
    def every_success_has_a_place(self):
        for event in WebhookEvent.objects.filter(kind="success"):
            payment = Payment.objects.filter(provider=event.provider, payment_id=event.payment_ref or event.event_id)
            if event.status == "applied":
                assert payment.get().order_id == event.order_id
            elif event.status == "ignored" and event.settled_by is None:
                assert payment.exists() or self._is_known_by_another_name(event)
            elif event.settled_by is None:
                assert event.status in SEEN_BY_STAFF

    @invariant()
    def every_paid_order_has_one_payment_that_paid_it(self):
        for order in Order.objects.filter(status="paid"):
            money = [payment for payment in order.payments.all() if payment.event.reason == "order_paid"]
            assert len(money) == 1
            assert money[0].amount == order.total_amount or money[0].event.settled_by == self.staff

    @invariant()
    def orders_show_what_their_payments_say(self):
        for order in Order.objects.all():
            sums = order.payments.aggregate(back=Sum("refunded_amount"))
            is_due = any(_is_due(payment) for payment in order.payments.all())
            assert order.refunded_amount == (sums["back"] or 0)
            assert (order.refund == "due") == is_due

    def _is_known_by_another_name(self, event):
        """A success that names no payment, or the order's own while the one that paid it named none."""
        others = event.order.payments.exclude(reason="order_already_paid")
        if event.payment_ref is None:
            return others.exists()
        return event.payment_ref == event.order.payment_id and others.filter(event__payment_ref=None).exists()

    def _try(self, verb):
        try:
            return verb()
        except Refusal:
            return None

    def _refund_fails(self, payment, *, refund_id):
        with transaction.atomic(), contextlib.suppress(refunds.AlreadyFailed):
            refunds.record_failure(payment_records.lock(payment), refund_id=refund_id, amount=payment.amount / 2)

    def _send(self, status, members):
        message = {"status": status, "key": str(uuid4())} | members
        assert not receive(**message).is_replay
        return message

    def _payment(self, order, which):
        own = order.payment_id or f"pay_{order.hold_id}"
        return {"own": {"payment_id": own}, "other": {"payment_id": f"other_{order.pk}"}, "none": {}}[which]

    def _amount(self, order, which):
        total = order.total_amount
        values = {"right": total, "wrong": total + Decimal("0.01"), "part": total / 2}
        return {"amount": str(values[which].quantize(Decimal("0.01")))} if which in values else {}


def _one_by_one(ask_about, attempt_ids, *, seconds) -> int:
    """Ask in this thread: others have connections of their own, which see nothing of an example."""
    return sum(map(ask_about, attempt_ids))


@pytest.mark.django_db
def test_every_promise_holds_after_every_step(provider, monkeypatch):
    monkeypatch.setattr(due, "_run", _one_by_one)
    monkeypatch.setattr(due, "_close_while_making", due._close_and_make)
    monkeypatch.setattr(Paying, "provider", provider, raising=False)
    run_state_machine_as_test(
        Sale,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
