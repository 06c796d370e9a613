"""Leases of attempts: one process at a time asks the provider about an attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from catalog.models import Product
from checkout.models import Order
from flashsale.core import clock, rows
from flashsale.core.statements import fetch
from flashsale.core.transactions import retrying_transaction
from payments import request_slots
from payments.attempt_records.writing import end, save
from payments.models import PaymentAttempt
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import Call

Status = PaymentAttempt.Status

# Providers keep keys for a day: an hour less, so that none is forgotten while a request is in flight.
KEY_LIFE = timedelta(hours=23)
# Longer than the time-out of a request, by this.
LEASE_MARGIN_SECONDS = 5.0
MAX_TRIES_COUNTED = 30_000

_ITS_ORDER = "id = (SELECT order_id FROM payments_paymentattempt WHERE id = %s)"
_ITS_PRODUCT = """id = (
    SELECT product_id FROM checkout_order JOIN payments_paymentattempt AS ours ON ours.order_id = checkout_order.id
    WHERE ours.id = %s
)"""


@dataclass(frozen=True)
class Question:
    """A request to the provider that was committed before it is sent, in `wait` seconds."""

    attempt: PaymentAttempt
    call: Call
    key: str
    wait: float


def due(now: datetime) -> QuerySet[PaymentAttempt]:
    """Return this shop's running attempts that the provider is to be asked about, the longest waiting first."""
    own = PaymentAttempt.objects.filter(shop_id=settings.SHOP_ID, status__in=PaymentAttempt.UNENDED)
    return own.filter(next_ask_at__lte=now).order_by("next_ask_at")


@retrying_transaction
def begin(
    attempt_id: UUID, *, timeout: float, max_wait: float, is_urgent: bool, unless_asked_within: float | None = None
) -> Question | None:
    """Commit that the provider is asked about an attempt, within `timeout` seconds; return what to ask it.

    None when nothing is due, or its slot would come later than in `max_wait` seconds. With `unless_asked_within` it is
    asked although nothing is due, unless it was asked within so many seconds.
    """
    attempt, now = _locked(attempt_id)
    if attempt is None or attempt.status not in PaymentAttempt.UNENDED or attempt.shop_id != settings.SHOP_ID:
        return None
    if not _may_ask(attempt, now, unless_asked_within):
        return None
    if attempt.status == Status.CLOSING and attempt.object_id is None and attempt.asked_at is None:
        end(attempt, Status.CLOSED, now=now)
        save([attempt])
        return None
    call = _call_about(attempt, now)
    wait = request_slots.reserve(_slot_of(call, attempt), max_wait=max_wait, is_urgent=is_urgent)
    if wait is None:
        return None
    question = _leased(attempt, call, wait=wait, timeout=timeout, now=now)
    save([attempt])
    return question


def lease_new(
    attempts: Sequence[PaymentAttempt], *, timeout: float, max_wait: float, now: datetime
) -> dict[UUID, Question]:
    """Lease attempts of one kind, which this transaction is about to add, for buyers who wait; the result is by id.

    As many, in their order, as have a slot within `max_wait` seconds. The slots stay locked until the transaction ends:
    add the attempts at once.
    """
    if not attempts:
        return {}
    slot = _slot_of("start", attempts[0])
    waits = request_slots.reserve_urgent(slot, count=len(attempts), max_wait=max_wait)
    return {
        attempt.pk: _leased(attempt, "start", wait=wait, timeout=timeout, now=now)
        for attempt, wait in zip(attempts, waits, strict=False)
    }


def _slot_of(call: Call, attempt: PaymentAttempt) -> str:
    return PAYMENT_CLIENTS[attempt.provider].slot_of(call, attempt)


def _leased(attempt: PaymentAttempt, call: Call, *, wait: float, timeout: float, now: datetime) -> Question:
    """Note on an attempt that it is asked about in `wait` seconds; the caller stores it."""
    attempt.tries = min(attempt.tries + 1, MAX_TRIES_COUNTED)
    attempt.asked_at = now
    attempt.next_ask_at = now + timedelta(seconds=wait + timeout + LEASE_MARGIN_SECONDS)
    return Question(attempt=attempt, call=call, key=f"{attempt.shop_id}:{attempt.pk}:{attempt.key_number}", wait=wait)


def _may_ask(attempt: PaymentAttempt, now: datetime, unless_asked_within: float | None) -> bool:
    if attempt.next_ask_at is not None and attempt.next_ask_at <= now:
        return True
    if unless_asked_within is None or attempt.asked_at is None:
        return False
    if attempt.status == Status.OPEN and attempt.tries == 0:
        # It was asked for, but not yet about.
        return True
    return now - attempt.asked_at >= timedelta(seconds=unless_asked_within)


def _call_about(attempt: PaymentAttempt, now: datetime) -> Call:
    if attempt.object_id is not None:
        return "end" if attempt.status == Status.CLOSING else "look_up"
    is_key_over = attempt.key_is_spent or now - attempt.key_used_at > KEY_LIFE
    return "find" if is_key_over else "start"


def _locked(attempt_id: UUID) -> tuple[PaymentAttempt | None, datetime]:
    """Lock an attempt until the transaction ends; return it with its order and product, and the time after that."""
    attempts, of_orders, products, now = fetch(
        rows.locking_query(PaymentAttempt, "id = %s", [attempt_id]),
        rows.reading_query(Order, _ITS_ORDER, [attempt_id]),
        rows.reading_query(Product, _ITS_PRODUCT, [attempt_id]),
        clock.query(),
    )
    attempt = attempts.get(attempt_id)
    if attempt is not None:
        [attempt.order], [attempt.order.product] = of_orders, products
    return attempt, now
