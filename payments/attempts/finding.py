"""The payments that orders have, or get: stored, with their leases, before the provider is asked."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.conf import settings

from catalog.models import Product
from checkout import orders, proved_payments
from flashsale.core import clock, rows
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.statements import Query, Statement, array, fetch
from flashsale.core.transactions import retrying_transaction
from payments import attempt_records
from payments.attempt_records import Question
from payments.attempts import time_limits
from payments.attempts.deciding import Facts, PaymentRequest, decide
from payments.models import PaymentAttempt

_WAITING = "SELECT count(*) AS waiting FROM payments_paymentattempt WHERE shop_id = %s AND status = 'creating'"
_PRODUCTS = "id IN (SELECT product_id FROM checkout_order WHERE id = ANY(%s::uuid[]))"


@dataclass(frozen=True)
class Found:
    """An attempt at database time `read_at`, and what the request that found it is to ask the provider about it."""

    attempt: PaymentAttempt
    read_at: datetime
    question: Question | None = None


@retrying_transaction
def find_or_add(requests: Sequence[PaymentRequest]) -> list[Found | Refusal]:
    """Return for each request the running attempt of its order, or a new one, or why the order cannot be paid.

    The requests are for different orders. New attempts are leased for the requests that may ask the provider, as many
    as have a slot in time. A refusal is `NotFound`, or what `decide` raises.
    """
    facts, now = _read_facts([request.order_id for request in requests])
    new: list[PaymentAttempt] = []
    to_lease: list[PaymentAttempt] = []
    decided: list[PaymentAttempt | Refusal] = []
    for request in requests:
        of_order = facts.get(request.order_id)
        attempt = _decided(request, of_order and replace(of_order, waiting=of_order.waiting + len(new)))
        decided.append(attempt)
        if isinstance(attempt, PaymentAttempt) and of_order is not None and attempt not in of_order.attempts:
            new.append(attempt)
            to_lease += [attempt] if request.may_ask() else []
    questions = attempt_records.lease_new(
        to_lease, timeout=time_limits.REQUEST_SECONDS, max_wait=time_limits.SLOT_SECONDS, now=now
    )
    attempt_records.add(new)
    return [one if isinstance(one, Refusal) else Found(one, now, questions.get(one.pk)) for one in decided]


def _decided(request: PaymentRequest, facts: Facts | None) -> PaymentAttempt | Refusal:
    if facts is None:
        return NotFound(orders.NO_SUCH_ORDER)
    try:
        return decide(request, facts)
    except Refusal as refusal:
        return refusal.as_value()


def _read_facts(order_ids: Sequence[UUID]) -> tuple[dict[UUID, Facts], datetime]:
    """Lock orders, then read what decides whether they may be paid; return it by order, and the time."""
    ids = array(order_ids)
    locked, attempts, products, proofs, waiting, now = fetch(
        orders.locking_query(order_ids),
        rows.reading_query(PaymentAttempt, "order_id = ANY(%s::uuid[])", [ids]),
        rows.reading_query(Product, _PRODUCTS, [ids]),
        proved_payments.of_orders_query(order_ids),
        Query([Statement(_WAITING, [settings.SHOP_ID])], lambda results: int(results[0][0]["waiting"])),
        clock.query(),
    )
    product_by_id = {product.pk: product for product in products}
    attempts_by_order = defaultdict(list)
    for attempt in sorted(attempts, key=lambda one: one.number):
        attempts_by_order[attempt.order_id].append(attempt)
    for order in locked.values():
        order.product = product_by_id[order.product_id]
    facts = {
        order_id: Facts(order, attempts_by_order[order_id], proofs.get(order_id, {}), waiting, now)
        for order_id, order in locked.items()
    }
    return facts, now
