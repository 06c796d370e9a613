"""Payments that the shop makes at a provider for its orders, and ends when their orders are over."""

from payments.attempts.deciding import pay_until_of
from payments.attempts.due import look_up_due, run_due
from payments.attempts.inquiries import CHECK_SECONDS, ask_now, check
from payments.attempts.refusals import PaymentClosed, PaymentNotPossible, PaymentProviderUnavailable
from payments.attempts.requesting import AttemptView, request

__all__ = [
    "CHECK_SECONDS",
    "AttemptView",
    "PaymentClosed",
    "PaymentNotPossible",
    "PaymentProviderUnavailable",
    "ask_now",
    "check",
    "look_up_due",
    "pay_until_of",
    "request",
    "run_due",
]
