"""What payments add to the story of an order: its attempts, events that named it, payments, refunds and disputes."""

from collections.abc import Iterable, Iterator

from django.utils.html import format_html
from django.utils.safestring import SafeString

from checkout.models import Order
from checkout.order_story import Document, Moment, Part, Table, told_by
from flashsale.core import moments, money
from flashsale.core.staff.links import link_to, page_of
from flashsale.core.staff.staff_log import Entry, entries_about
from payments import explanations
from payments.explanations import Situation, naming
from payments.explanations.bodies import readable
from payments.models import Dispute, Payment, PaymentAttempt, Refund, WebhookEvent

MAX_EVENTS = 500


def story_of(order: Order) -> Part:
    """Return what happened to an order's events and money, its payments as they are now, and what providers sent."""
    events = list(naming.events_of(order)[:MAX_EVENTS])
    payments = list(_payments_of(order))
    refunds = [refund for payment in payments for refund in payment.refunds.all()]
    disputes = [dispute for payment in payments for dispute in payment.disputes.all()]
    attempts = list(PaymentAttempt.objects.filter(order=order).order_by("number"))
    entries = entries_about([*events, *payments, *refunds, *disputes])
    moments = [
        *(moment for attempt in attempts for moment in _moments_of_attempt(attempt)),
        *(moment for of in explanations.read_all(events) for moment in _moments_of_event(of, order, entries)),
        *(moment for payment in payments for moment in _moments_of_payment(payment)),
        *(moment for payment in payments for moment in _moments_of_requests(payment)),
        *(moment for refund in refunds for moment in _moments_of_refund(refund)),
        *(moment for dispute in disputes for moment in _moments_of_dispute(dispute)),
        *told_by(entries),
    ]
    tables = [*([_table_of_attempts(attempts)] if attempts else []), *([_table_of(payments)] if payments else [])]
    return Part(moments, tables, [_document_of(event) for event in events])


def _payments_of(order: Order) -> Iterable[Payment]:
    of_order = Payment.objects.filter(order=order).select_related("refunded_by").order_by("created_at", "pk")
    return of_order.prefetch_related("refunds__payment", "disputes__payment", "refund_requests__requested_by")


def _moments_of_attempt(attempt: PaymentAttempt) -> Iterator[Moment]:
    name = link_to(attempt, f"Payment attempt {attempt.number}")
    amount, until = money.written(attempt.amount, attempt.currency), moments.written(attempt.pay_until)
    begun = format_html("{} of {} begun at {}, to be paid until {}.", name, amount, attempt.provider, until)
    yield Moment(attempt.created_at, begun)
    if attempt.shown_at:
        yield Moment(attempt.shown_at, format_html("{} was handed to the buyer, {}.", name, attempt.object_id))
    if attempt.ended_at:
        reason = f" ({attempt.reason.replace('_', ' ')})" if attempt.reason else ""
        yield Moment(attempt.ended_at, format_html("{} {}{}.", name, attempt.get_status_display(), reason))


def _moments_of_event(of: Situation, order: Order, entries: list[Entry]) -> Iterator[Moment]:
    event = of.event
    paid = f", {of.paid}" if of.paid else ""
    way = "" if event.source == WebhookEvent.Source.WEBHOOK else f", {event.get_source_display()}"
    yield Moment(
        event.received_at,
        format_html(
            "Event {} arrived: {}{} ({} of {}{}){}.",
            link_to(event, event.event_id), event.get_kind_display(), paid, event.type, event.provider, way,
            _relation(of, order),
        ),
    )  # fmt: skip
    if reason := explanations.why(of):
        # The log has the note of a decision that was made in the admin.
        is_logged = any(entry.row_id == str(event.pk) and event.settled_note in entry.text for entry in entries)
        names_staff = event.reason == "dismissed_by_staff"
        by = f" (decided by {event.settled_by})" if event.settled_by and not names_staff else ""
        what = format_html("Event {} {}: {}{}.", link_to(event, event.event_id), event.get_status_display(), reason, by)
        at = event.processed_at or event.parked_at or event.received_at
        yield Moment(at, what, note="" if is_logged else event.settled_note)


def _relation(of: Situation, order: Order) -> SafeString | str:
    """Return how an event names an order that it does not belong to; an empty text for one that it belongs to."""
    event = of.event
    if event.order_id == order.pk:
        return ""
    names = [
        "the order" if event.order_ref == order.pk else "",
        "its hold" if event.hold_ref == order.hold_id else "",
        f"payment id {event.payment_ref}" if event.payment_ref and not (event.order_ref or event.hold_ref) else "",
    ]
    told = " and ".join(name for name in names if name) or f"payment id {event.payment_ref}"
    if event.order is None:
        return f"; it names {told}"
    return format_html("; it names {}, and belongs to order {}", told, link_to(event.order))


def _moments_of_payment(payment: Payment) -> Iterator[Moment]:
    reason = explanations.why_due(payment)
    is_due_at_once = reason and payment.reason != "refund_failed"
    yield Moment(
        payment.created_at,
        format_html(
            "Payment {} of {} recorded: {}.",
            link_to(payment, payment.payment_id), money.written(payment.amount, payment.currency),
            f"due for refund, {reason}" if is_due_at_once else "applied to the order",
        ),
    )  # fmt: skip


def _moments_of_requests(payment: Payment) -> Iterator[Moment]:
    for asked in payment.refund_requests.all():
        # The request's own name reads its payment.
        asked.payment = payment
        by = asked.author or "Outside the admin"
        what = format_html("{}, payment {}: {}.", by, link_to(payment, payment.payment_id), asked)
        yield Moment(asked.created_at, what, note=asked.note)


def _moments_of_refund(refund: Refund) -> Iterator[Moment]:
    amount, payment = money.written(refund.amount, refund.payment.currency), refund.payment
    attempt = f"attempt {refund.attempt}" if refund.attempt else "not sent by the shop"
    name = link_to(refund, f"Refund of {amount}")
    tries = f", sent {refund.tries} times" if refund.tries > 1 else ""
    yield Moment(
        refund.created_at, format_html("{} of payment {} begun ({}{}).", name, payment.payment_id, attempt, tries)
    )
    if refund.answered_at:
        provider_id = f", {refund.refund_id}" if refund.refund_id else ""
        what = format_html("{} ({}{}): {}.", name, attempt, provider_id, refund.get_status_display())
        yield Moment(refund.answered_at, what, note=refund.last_error)


def _moments_of_dispute(dispute: Dispute) -> Iterator[Moment]:
    amount = "" if dispute.amount is None else f" of {money.written(dispute.amount, dispute.currency)}"
    reason = dispute.reason.replace("_", " ") or "no reason given"
    name = link_to(dispute, dispute.dispute_id)
    yield Moment(
        dispute.created_at,
        format_html("Dispute {}{} about payment {} opened: {}.", name, amount, dispute.payment.payment_id, reason),
    )
    if dispute.status != Dispute.Status.OPEN or dispute.as_of != dispute.created_at:
        yield Moment(dispute.as_of, format_html("Dispute {} is {}.", name, dispute.get_status_display()))


def _table_of_attempts(attempts: list[PaymentAttempt]) -> Table:
    rows = [
        (
            link_to(attempt, f"Attempt {attempt.number}"), attempt.provider, attempt.get_kind_display(),
            attempt.object_id or "-", attempt.get_status_display(),
            moments.written(attempt.asked_at) if attempt.asked_at else "-", attempt.last_error or "-",
        )
        for attempt in attempts
    ]  # fmt: skip
    headings = ("Attempt", "Provider", "Kind", "Id there", "State", "Provider asked", "Last error")
    return Table("Payment attempts now", headings, rows)


def _table_of(payments: list[Payment]) -> Table:
    rows = [
        (
            link_to(payment, payment.payment_id), payment.provider, money.written(payment.amount, payment.currency),
            money.written(payment.refunded_amount, payment.currency),
            money.written(payment.amount_due, payment.currency), payment.get_status_display(),
            f"{payment.refunded_by}: {payment.refunded_note}" if payment.refunded_by else "-",
        )
        for payment in payments
    ]  # fmt: skip
    headings = ("Payment", "Provider", "Amount", "Given back", "Due for refund", "State", "Given back by staff")
    return Table("Payments now", headings, rows)


def _document_of(event: WebhookEvent) -> Document:
    title = f"Event {event.event_id}: {event.type}, {event.get_status_display()}"
    return Document(title=title, url=page_of(event), text=readable(event.body_text))
