"""One hold for each ticket: a ticket is used while its hold is active, and for good once that became an order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from catalog.models import Product
from catalog.queue_columns import Queue
from checkout.models import Hold
from checkout.waiting_room.refusals import TicketUsed, require_ticket

IN_USE = (Hold.Status.ACTIVE, Hold.Status.CONVERTED)


@dataclass(frozen=True)
class UsedTickets:
    """When the hold of each used ticket expires; None: never, it became an order."""

    expires_at: dict[UUID, datetime | None] = field(default_factory=dict)

    def check(self, product: Product, ticket_id: UUID | None, *, now: datetime) -> None:
        """Raise `TicketInvalid` or `TicketUsed` unless a product without a queue, or with this ticket, may be held."""
        if product.queue != Queue.ON:
            return
        require_ticket(ticket_id)
        if ticket_id in self.expires_at:
            refusal, expires_at = TicketUsed("Each ticket is good for one hold."), self.expires_at[ticket_id]
            refusal.may_pass_after_reclaim = expires_at is not None and expires_at <= now
            raise refusal

    def add(self, hold: Hold) -> None:
        """Take note of a hold that is granted in this transaction."""
        if hold.ticket_id is not None:
            self.expires_at[hold.ticket_id] = hold.expires_at


def of(product: Product, ticket_ids: Iterable[UUID | None]) -> UsedTickets:
    """Return which of these tickets are used; asks the database for products with a queue only.

    Runs inside a transaction that holds the stock's lock, so that no other transaction uses one of them meanwhile.
    """
    ids = [ticket_id for ticket_id in ticket_ids if ticket_id is not None]
    if product.queue != Queue.ON or not ids:
        return UsedTickets()
    holds = Hold.objects.filter(ticket_id__in=ids, status__in=IN_USE).values_list("ticket_id", "status", "expires_at")
    return UsedTickets({
        ticket_id: expires_at if status == Hold.Status.ACTIVE else None
        for ticket_id, status, expires_at in holds if ticket_id is not None
    })  # fmt: skip
