"""Orders: made from holds, to be paid; then paid, cancelled or expired."""

from checkout.orders.batching import submit
from checkout.orders.creation_hook import ApplyEarlyEvents, register_creation_hook
from checkout.orders.ending import cancel, ensure_cancelled, expire_due, mark_cancelled, reclaim, revoke
from checkout.orders.leaving_hook import register_leaving_hook
from checkout.orders.listing import find
from checkout.orders.locking import lock, lock_stocks, locking_query
from checkout.orders.paying import (
    mark_all_paid,
    mark_paid,
    prove_made_payments,
    prove_payment,
    record_paid,
    set_refund_state,
)
from checkout.orders.placing import place, place_batch
from checkout.orders.reading import OrderView, PaymentView, annotate, get, register_payment, view_of
from checkout.orders.refusals import (
    NO_SUCH_ORDER,
    OrderAlreadyPaid,
    OrderNotPaid,
    OrderNotPending,
    PaymentIdInUse,
    RestockTooLarge,
    StaleOrderError,
)
from checkout.orders.requests import OrderRequest
from checkout.orders.restocking import restock

__all__ = [
    "NO_SUCH_ORDER",
    "ApplyEarlyEvents",
    "OrderAlreadyPaid",
    "OrderNotPaid",
    "OrderNotPending",
    "OrderRequest",
    "OrderView",
    "PaymentIdInUse",
    "PaymentView",
    "RestockTooLarge",
    "StaleOrderError",
    "annotate",
    "cancel",
    "ensure_cancelled",
    "expire_due",
    "find",
    "get",
    "lock",
    "lock_stocks",
    "locking_query",
    "mark_all_paid",
    "mark_cancelled",
    "mark_paid",
    "place",
    "place_batch",
    "prove_made_payments",
    "prove_payment",
    "reclaim",
    "record_paid",
    "register_creation_hook",
    "register_leaving_hook",
    "register_payment",
    "restock",
    "revoke",
    "set_refund_state",
    "submit",
    "view_of",
]
