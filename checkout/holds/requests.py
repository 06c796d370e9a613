"""Claims: what each request for a product's units would get, decided in order. Nothing here is written.

The caller holds the stock's lock and the request's key, and writes what was granted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings

from catalog import sales
from catalog.inventory import InsufficientStock
from catalog.models import Product
from checkout import limits
from checkout.idempotency import IdempotencyKey
from checkout.limits import Claimed
from checkout.models import Hold
from flashsale.core.refusals import InvalidRequest, Refusal


@dataclass(frozen=True, kw_only=True)
class HoldRequest:
    """What one buyer wants: units, for how long (None: the default), for which customer ("": nobody named).

    With `once` the same request is granted once, however often it comes. The hold's id is drawn with the request, not
    while the stock is locked: the system call lets every other thread of the process go first.
    """

    quantity: int
    ttl_seconds: int | None = None
    customer_id: str = ""
    once: IdempotencyKey | None = None
    hold_id: UUID = field(default_factory=uuid4)


def decide(product: Product, requests: Sequence[HoldRequest], *, free: int, now: datetime) -> list[Hold | Refusal]:
    """Decide each request in order, counting what the earlier ones were granted; write nothing."""
    customers = {request.customer_id for request in requests if request.customer_id}
    is_limited = product.max_per_customer is not None and customers
    claimed = limits.units_of(product.pk, customer_ids=customers, now=now) if is_limited else Claimed()
    results: list[Hold | Refusal] = []
    for request in requests:
        try:
            _check(product, request, claimed, free=free, now=now)
        except Refusal as refusal:
            results.append(refusal.as_value())
        else:
            free -= request.quantity
            claimed.units[request.customer_id] += request.quantity
            results.append(new_hold(product, request, now=now))
    return results


def _check(product: Product, request: HoldRequest, claimed: Claimed, *, free: int, now: datetime) -> None:
    if product.max_per_customer is not None and not request.customer_id:
        raise InvalidRequest(
            "This product has a limit per customer: say for whom.", pointer="#/customer_id", error_code="required"
        )
    sales.check_claim(product, quantity=request.quantity, now=now)
    limits.check(product, claimed, customer_id=request.customer_id, quantity=request.quantity)
    if request.quantity > free:
        raise InsufficientStock(available=free)


def new_hold(product: Product, request: HoldRequest, *, now: datetime) -> Hold:
    ttl_seconds = settings.HOLD_TTL_SECONDS if request.ttl_seconds is None else request.ttl_seconds
    hold = Hold(
        pk=request.hold_id,
        product_id=product.pk,
        quantity=request.quantity,
        unit_price=product.price,
        currency=product.currency,
        customer_id=request.customer_id,
        created_at=now,
        expires_at=now + timedelta(seconds=ttl_seconds),
        **(request.once.columns if request.once else {}),
    )
    hold.read_at, hold.ordered_as = now, None
    return hold


def with_overdue(result: Hold | Refusal, reclaimable: int) -> Hold | Refusal:
    """Overdue units count as available in every answer, also those that became overdue a moment ago."""
    if isinstance(result, InsufficientStock):
        return InsufficientStock(available=result.extra["available"] + reclaimable)
    return result
