"""Attempts whose order leaves `pending_payment`, or whose time is over."""

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings

from flashsale.core.statements import Statement, array, send
from flashsale.core.transactions import retrying_transaction

EXPIRY_BATCH = 500

# The payment that pays its order has succeeded; when an order leaves `pending_payment` otherwise, it is closed.
_LEAVE = """
UPDATE payments_paymentattempt AS ours
SET status = CASE WHEN each.payment_id = ours.payment_id THEN 'succeeded' ELSE 'closing' END,
    ended_at = CASE WHEN each.payment_id = ours.payment_id THEN clock_timestamp() END,
    next_ask_at = CASE WHEN each.payment_id = ours.payment_id THEN NULL ELSE clock_timestamp() END,
    reason = CASE WHEN each.payment_id = ours.payment_id THEN '' ELSE 'order_left' END,
    client_secret = '', url = '', tries = 0
FROM unnest(%s::uuid[], %s::text[]) AS each (order_id, payment_id)
WHERE ours.order_id = each.order_id AND ours.status IN ('creating', 'open', 'closing')
AND (ours.status <> 'closing' OR ours.payment_id = each.payment_id)
"""
_CLOSE_OVERDUE = """
UPDATE payments_paymentattempt
SET status = 'closing', next_ask_at = clock_timestamp(), reason = 'time_over', client_secret = '', url = '', tries = 0
WHERE id IN (
    SELECT id FROM payments_paymentattempt
    WHERE status IN ('creating', 'open') AND pay_until <= now() AND shop_id = %s
    ORDER BY pay_until LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING id
"""


def leave(left: Sequence[tuple[UUID, str | None]]) -> Statement:
    """Return what ends or closes the attempts of orders that leave `pending_payment`, each paid by a payment or not."""
    return Statement(_LEAVE, [array(order_id for order_id, _ in left), array(paid_by for _, paid_by in left)])


@retrying_transaction
def close_overdue() -> int:
    """Set attempts past their `pay_until` to `closing`, at most `EXPIRY_BATCH`; return how many."""
    [rows] = send([Statement(_CLOSE_OVERDUE, [settings.SHOP_ID, EXPIRY_BATCH])])
    return len(rows)
