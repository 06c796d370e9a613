"""The comparison of a provider's payments with those that are recorded here, in both directions.

A payment that is missing here goes through the inbox, as the event that its provider would have posted. What is
recorded otherwise than the provider says is left to staff, each difference once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from flashsale.core import clock, events
from payments.asking import belonging, cursors, differences, requests, taking
from payments.explanations import naming
from payments.models import Payment, WebhookEvent
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import Outcome, PaymentAnswer, PaymentObject, PaymentState

COMPARED_PERIOD = timedelta(days=2)
# A payment is recorded so long after it was made, at most, for the list to have it. Others are looked up.
MAX_AGE_WHEN_PAID = timedelta(hours=1)
MAX_LOOK_UPS = 100
LOOK_UP_SECONDS = 20.0
ASKED = WebhookEvent.Source.ASKED


@dataclass
class Comparison:
    """What a comparison found: succeeded payments of this shop, those that were missing here, and differences.

    `differences` counts all, `new_differences` those that staff had not been told of before.
    """

    since: datetime
    compared: int = 0
    missing: int = 0
    unreadable: int = 0
    differences: int = 0
    new_differences: int = 0
    succeeded: set[str] = field(default_factory=set)


def compare(provider: str, *, since: datetime | None = None) -> Comparison:
    """Compare the payments that were made since a time; without one since the last comparison, and two days at least.

    Raises `ListingFailed`, and what passes with time: `Busy`, `OutcomeUnknown`, database errors.
    """
    now = clock.now()
    last = cursors.compared_until(provider)
    result = Comparison(since=since or min(now - COMPARED_PERIOD, last or now))
    client = PAYMENT_CLIENTS[provider]
    before_page = partial(requests.wait_for_slot, client, "list_payments")
    for part in requests.in_parts(client.list_payments(since=result.since, before_page=before_page)):
        _compare_listed(provider, [one for one in part if _is_ours_and_paid(one)], result)
    _compare_recorded(provider, result)
    cursors.record_comparison(provider, until=now)
    events.record(
        "payments_compared", provider=provider, compared=result.compared, missing=result.missing,
        differences=result.differences,
    )  # fmt: skip
    return result


def _is_ours_and_paid(listed: PaymentObject) -> bool:
    is_paid = listed.state == PaymentState.SUCCEEDED and listed.payment_id is not None
    return is_paid and belonging.made_here(listed)


def _compare_listed(provider: str, paid: list[PaymentObject], result: Comparison) -> None:
    """Take the payments that are missing here, and tell staff of those that are recorded otherwise."""
    ids = {listed.payment_id for listed in paid if listed.payment_id}
    recorded = {payment.payment_id: payment for payment in _payments(provider, ids)}
    named = naming.naming(payment_ids=ids) if ids else iter(())
    successes = (found.filter(provider=provider, kind=WebhookEvent.Kind.SUCCESS) for found in named)
    heard_of = {payment_id for found in successes for payment_id in found.values_list("payment_ref", flat=True)}
    orders = dict(belonging.attempts(provider, ids).values_list("pk", "order_id")) if ids else {}
    for listed in paid:
        result.succeeded.add(listed.payment_id or "")
        payment = recorded.get(listed.payment_id or "")
        order_id = orders.get(listed.attempt_id) if listed.attempt_id else None
        if payment is not None:
            _report(provider, differences.between(listed, payment, order_id=order_id), result)
        elif listed.payment_id not in heard_of and listed.event is not None:
            result.missing += 1
            result.unreadable += not taking.take(provider, taking.read(provider, listed.event), source=ASKED)
    result.compared += len(paid)


def _payments(provider: str, payment_ids: set[str]) -> Iterator[Payment]:
    found = Payment.objects.filter(provider=provider, payment_id__in=payment_ids).select_related("event")
    return found.iterator() if payment_ids else iter(())


def _compare_recorded(provider: str, result: Comparison) -> None:
    """Tell staff of payments that are recorded as applied although the provider says that they are not paid."""
    recorded = Payment.objects.filter(
        provider=provider, status=Payment.Status.APPLIED, created_at__gte=result.since + MAX_AGE_WHEN_PAID
    )
    unlisted = set(recorded.values_list("payment_id", flat=True)) - result.succeeded
    client = PAYMENT_CLIENTS[provider]
    for payment_id in sorted(belonging.our_payments(provider, unlisted))[:MAX_LOOK_UPS]:
        requests.wait_for_slot(client, "look_up_payment")
        answer = client.look_up_payment(payment_id, timeout=LOOK_UP_SECONDS)
        if (state := _unpaid_state(answer)) is not None:
            [payment] = _payments(provider, {payment_id})
            _report(provider, differences.unpaid(payment, state), result)


def _unpaid_state(answer: PaymentAnswer) -> str | None:
    """Return in a word what the provider says of a payment that is not paid; None for one that is, or may be."""
    if answer.outcome == Outcome.MISSING:
        return "unknown"
    payment = answer.payment
    if answer.outcome != Outcome.DONE or payment is None or payment.state == PaymentState.SUCCEEDED:
        return None
    return str(payment.state.value)


def _report(provider: str, difference: differences.Difference | None, result: Comparison) -> None:
    if difference is not None:
        result.differences += 1
        result.new_differences += differences.report(provider, difference)
