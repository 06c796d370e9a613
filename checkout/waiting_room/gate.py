"""The gate before holds: a product with a queue is sold to admitted tickets only.

It decides without a transaction, from this process's copy of the queue. Being admitted promises nothing: stock, limits
and the one hold of each ticket are decided in the database.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from catalog import sales
from checkout import idempotency
from checkout.idempotency import IdempotencyKey
from checkout.waiting_room import reading, tickets
from checkout.waiting_room.counts import counter
from checkout.waiting_room.queues import QueueView, copies
from checkout.waiting_room.refusals import AdmissionExpired, NotAdmitted, TicketInvalid, require_ticket
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.transactions import Busy, is_transient


@contextlib.contextmanager
def entered(
    product_id: int, *, ticket: str | None, customer_id: str, key: IdempotencyKey | None
) -> Iterator[UUID | None]:
    """Pass a request for a hold through the gate; yields the id of its ticket, None for a product without a queue.

    A request whose Idempotency-Key was used passes without a ticket: it gets what it got before. Raises the first that
    applies of `SaleNotStarted`, `SaleEnded`, `SalePaused`, `TicketInvalid`, `NotAdmitted` and `AdmissionExpired`.
    """
    ticket_id = _admit(product_id, ticket, customer_id, key)
    if ticket_id is not None:
        counter.count_claim(product_id, ticket_id)
    try:
        yield ticket_id
    except Exception as error:
        if ticket_id is not None and (is_transient(error) or isinstance(error, Busy)):
            counter.count_busy(product_id)
        raise


def _admit(product_id: int, ticket: str | None, customer_id: str, key: IdempotencyKey | None) -> UUID | None:
    # Most products have no queue: this is all that it costs them.
    if ticket is None and not copies.has(product_id):
        return None
    try:
        view, now = reading.get(product_id)
    except NotFound:
        return None
    try:
        return check(view, ticket, customer_id=customer_id, now=now)
    except Refusal:
        if key is not None and idempotency.is_used(key):
            return None
        raise


def check(view: QueueView, text: str | None, *, customer_id: str, now: datetime) -> UUID:
    """Return the id of a ticket that may place a hold at `now` (database time); raises what `entered` raises."""
    sales.check_window(view.product, now=now)
    if text is None:
        require_ticket(None)
    ticket = tickets.verified(text or "", product_id=view.product.pk)
    if ticket.customer_id and ticket.customer_id != customer_id:
        raise TicketInvalid("The ticket is for another customer: send its `customer_id` with the hold.")
    place, serving = view.place_of(ticket), copies.serving(view, now=now)
    if place is None or place > serving:
        raise NotAdmitted(place=place, serving=serving, rate=view.line.rate_at(now) if view.line else 0.0)
    if place < view.expired_below:
        raise AdmissionExpired("The time of this ticket is over. Ask for a new one, without the old: it is at the end.")
    return UUID(ticket.id)
