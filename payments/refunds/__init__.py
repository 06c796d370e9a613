"""Money on its way back: sent through a provider's API, recorded by staff, or reversed when a refund failed later."""

from payments.refunds.recording import AlreadyFailed, AlreadyRefunded, RefundUnderWay, mark_refunded, record_failure
from payments.refunds.sending import send_due

__all__ = ["AlreadyFailed", "AlreadyRefunded", "RefundUnderWay", "mark_refunded", "record_failure", "send_due"]
