"""Why a ticket does not open the gate. Nothing was done; a refused claim is counted for staff."""

import math
from uuid import UUID

from flashsale.core.refusals import Refusal

DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS = 2, 60


class NotAdmitted(Refusal):
    """Carries the ticket's `place` (null before the draw), the place that is `serving`, and `retry_in_seconds`."""

    code = "not_admitted"
    title = "Not admitted yet"
    is_refused_claim = True

    def __init__(self, *, place: float | None, serving: float, rate: float) -> None:
        seconds = _seconds_until(place, serving=serving, rate=rate)
        super().__init__(
            "This ticket's place is not served yet.", place=place, serving=serving, retry_in_seconds=seconds
        )
        self.retry_after_seconds = seconds


class TicketInvalid(Refusal):
    code = "ticket_invalid"
    title = "No valid ticket"
    is_refused_claim = True


class TicketUsed(Refusal):
    """`may_pass_after_reclaim`: the ticket's hold is overdue, and the ticket is free once it is reclaimed."""

    code = "ticket_used"
    title = "The ticket was used"
    is_refused_claim = True
    may_pass_after_reclaim = False


class AdmissionExpired(Refusal):
    code = "admission_expired"
    title = "The admission has expired"
    is_refused_claim = True


def require_ticket(ticket_id: UUID | None) -> None:
    """Raise `TicketInvalid` for a request without a ticket."""
    if ticket_id is None:
        raise TicketInvalid("This product has a queue: send the header `Queue-Ticket` with an admitted ticket.")


def _seconds_until(place: float | None, *, serving: float, rate: float) -> int:
    """Return in how many seconds, rounded up, a place is served at this rate; at most `MAX_RETRY_SECONDS`."""
    if place is None or place <= serving or rate <= 0:
        return DEFAULT_RETRY_SECONDS
    return max(1, math.ceil(min((place - serving) / rate, MAX_RETRY_SECONDS)))
