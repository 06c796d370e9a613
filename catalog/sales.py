"""When a product may be held and how much of it: its sale window, pause and limit per hold."""

import math
from datetime import datetime

from django.db import models

from catalog.models import Product
from flashsale.core.refusals import Refusal


class SaleStatus(models.TextChoices):
    """The status of a sale as customers see it: the first that applies, in this order."""

    UPCOMING = "upcoming"
    ENDED = "ended"
    PAUSED = "paused"
    SOLD_OUT = "sold_out"
    LIVE = "live"


class SaleNotStarted(Refusal):
    code = "sale_not_started"
    title = "The sale has not started"
    is_refused_claim = True
    retry_after_seconds: int = 1


class SaleEnded(Refusal):
    code = "sale_ended"
    title = "The sale has ended"
    is_refused_claim = True


class SalePaused(Refusal):
    code = "sale_paused"
    title = "The sale is paused"
    is_refused_claim = True


class LimitExceeded(Refusal):
    """Carries `limit`: the units allowed per hold, or per customer.

    `may_pass_after_reclaim`: the request may pass once this customer's overdue units are reclaimed.
    """

    code = "limit_exceeded"
    title = "Limit exceeded"
    is_refused_claim = True
    may_pass_after_reclaim = False


def status_of(product: Product, *, available: int, now: datetime) -> SaleStatus:
    """Return what customers see at `now` with `available` units left."""
    if product.sale_starts_at and now < product.sale_starts_at:
        return SaleStatus.UPCOMING
    if product.sale_ends_at and now >= product.sale_ends_at:
        return SaleStatus.ENDED
    if product.paused_at:
        return SaleStatus.PAUSED
    return SaleStatus.SOLD_OUT if available <= 0 else SaleStatus.LIVE


def check_window(product: Product, *, now: datetime) -> None:
    """Raise `SaleNotStarted`, `SaleEnded` or `SalePaused` when no units may be held at `now`."""
    if product.sale_starts_at and now < product.sale_starts_at:
        refusal = SaleNotStarted(
            f"The sale starts at {product.sale_starts_at.isoformat()}.", sale_starts_at=product.sale_starts_at
        )
        refusal.retry_after_seconds = max(1, math.ceil((product.sale_starts_at - now).total_seconds()))
        raise refusal
    if product.sale_ends_at and now >= product.sale_ends_at:
        raise SaleEnded(f"The sale ended at {product.sale_ends_at.isoformat()}.", sale_ends_at=product.sale_ends_at)
    if product.paused_at:
        raise SalePaused(
            f"The sale has been paused since {product.paused_at.isoformat()}.", paused_at=product.paused_at
        )


def check_quantity(product: Product, *, quantity: int) -> None:
    """Raise `LimitExceeded` when one hold may not have so many units."""
    if quantity > product.max_per_hold:
        raise LimitExceeded(f"At most {product.max_per_hold} units per hold.", limit=product.max_per_hold)
