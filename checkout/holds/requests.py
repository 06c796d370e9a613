"""Decides requests for a product's units, in order. Writes nothing.

The caller holds the locks on the stock and on the requests' Idempotency-Keys, and writes what was granted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings

from catalog import sales
from catalog.inventory import InsufficientStock, LockedProduct
from catalog.models import Product
from catalog.queue_columns import Queue
from checkout import limits
from checkout.idempotency import IdempotencyKey
from checkout.limits import CustomerUnits
from checkout.models import Hold
from checkout.waiting_room import used_tickets
from checkout.waiting_room.used_tickets import UsedTickets
from flashsale.core.refusals import InvalidRequest, Refusal


@dataclass(frozen=True, kw_only=True)
class HoldRequest:
    """Units that one buyer asks for, for `ttl_seconds` (None: the default) and `customer_id` ("": none).

    Requests with the same `key` get the same hold. `ticket_id`: the admitted ticket, where the product has a queue. The
    hold's id is generated with the request, not while the stock is locked: the system call for random bytes releases
    the GIL to other threads.
    """

    quantity: int
    ttl_seconds: int | None = None
    customer_id: str = ""
    key: IdempotencyKey | None = None
    ticket_id: UUID | None = None
    hold_id: UUID = field(default_factory=uuid4)


def decide(locked: LockedProduct, requests: Sequence[HoldRequest]) -> list[Hold | Refusal]:
    """Return for each request, in order, a hold that is not stored yet, or why there is none.

    Units granted to earlier requests are no longer free, and count towards their customers' limits.
    """
    product, free = locked.product, locked.stock.free
    customers = {request.customer_id for request in requests if request.customer_id}
    is_limited = product.max_per_customer is not None and customers
    claimed = limits.units_of(product.pk, customer_ids=customers, now=locked.read_at) if is_limited else CustomerUnits()
    used = used_tickets.of(product, (request.ticket_id for request in requests))
    results: list[Hold | Refusal] = []
    for request in requests:
        try:
            _check(locked, request, claimed, used, free=free)
        except Refusal as refusal:
            results.append(refusal.as_value())
        else:
            free -= request.quantity
            claimed.units[request.customer_id] += request.quantity
            results.append(hold := _new_hold(product, request, now=locked.read_at))
            used.add(hold)
    return results


def _check(
    locked: LockedProduct, request: HoldRequest, claimed: CustomerUnits, used: UsedTickets, *, free: int
) -> None:
    product, now = locked.product, locked.read_at
    if product.max_per_customer is not None and not request.customer_id:
        raise InvalidRequest(
            "This product has a limit per customer, so a customer id is required.",
            pointer="#/customer_id",
            error_code="required",
        )
    sales.check_window(product, now=now)
    used.check(product, request.ticket_id, now=now)
    sales.check_quantity(product, quantity=request.quantity)
    if product.max_per_customer is not None:
        limits.check(product, claimed, customer_id=request.customer_id, quantity=request.quantity)
    if request.quantity > free:
        raise InsufficientStock(available=free)


def _new_hold(product: Product, request: HoldRequest, *, now: datetime) -> Hold:
    """Return the hold that is granted to a request at `now`, not stored yet."""
    ttl_seconds = settings.HOLD_TTL_SECONDS if request.ttl_seconds is None else request.ttl_seconds
    return Hold(
        pk=request.hold_id,
        product_id=product.pk,
        quantity=request.quantity,
        unit_price=product.price,
        currency=product.currency,
        customer_id=request.customer_id,
        created_at=now,
        expires_at=now + timedelta(seconds=ttl_seconds),
        ticket_id=request.ticket_id if product.queue == Queue.ON else None,
        **(request.key.columns if request.key else {}),
    )


def with_overdue_units(result: Hold | Refusal, overdue_units: int) -> Hold | Refusal:
    """Return a result whose available units count overdue ones, as every answer does."""
    if isinstance(result, InsufficientStock):
        return InsufficientStock(available=result.extra["available"] + overdue_units)
    return result
