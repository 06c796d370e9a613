"""Money on its way back: asked for, sent through a provider's API, recorded by staff, or reversed when that failed."""

from payments.payment_records import RefundTooLarge
from payments.refunds.attempts import is_automatic
from payments.refunds.recording import (
    AlreadyFailed,
    AlreadyRefunded,
    RefundUnderWay,
    find_own,
    mark_refunded,
    record_failure,
)
from payments.refunds.refusals import RefundChanged
from payments.refunds.requests import BOUGHT, NothingToRefund, bought_with, request
from payments.refunds.sending import send_due

__all__ = [
    "BOUGHT",
    "AlreadyFailed",
    "AlreadyRefunded",
    "NothingToRefund",
    "RefundChanged",
    "RefundTooLarge",
    "RefundUnderWay",
    "bought_with",
    "find_own",
    "is_automatic",
    "mark_refunded",
    "record_failure",
    "request",
    "send_due",
]
