"""The transactional inbox of webhook events: stored first, then processed, retried until they are done or dead."""

from payments.inbox.early_events import early_events_query
from payments.inbox.receiving import Receipt, SignatureInvalid, receive, report, take, verify_headers
from payments.inbox.retrying import NotDead, process_due, retry
from payments.inbox.review import accept, dismiss, refund

__all__ = [
    "NotDead",
    "Receipt",
    "SignatureInvalid",
    "accept",
    "dismiss",
    "early_events_query",
    "process_due",
    "receive",
    "refund",
    "report",
    "retry",
    "take",
    "verify_headers",
]
