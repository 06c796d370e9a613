"""Reads the statistics of one product."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog import availability
from catalog.availability import ProductView
from catalog.models import Product
from checkout.statistics.counting import Counts, count
from checkout.statistics.periods import Period
from checkout.statistics.selling_out import time_to_sell_out
from flashsale.core import greenlets
from flashsale.core.refusals import NotFound


@dataclass(frozen=True)
class Point:
    """The counts of one step, which begins at `at`."""

    at: datetime
    counts: Counts


@dataclass(frozen=True)
class SaleStatistics:
    """What happened in a product's sale in a period; `series` is None where it is not divided into steps."""

    product: Product
    period: Period
    time_to_sell_out: timedelta | None
    totals: Counts
    series: list[Point] | None


@greenlets.offloaded
def of_product(
    product_id: int, *, since: datetime | None = None, until: datetime | None = None, step_seconds: int | None = None
) -> SaleStatistics:
    """Return what happened to a product from `since` (None: since it was added) until `until` (None: now), excluded.

    The time to sell out does not depend on the period. Raises `NotFound`, what `Period` raises, and `Busy` when there
    is too much to count.
    """
    views = availability.read(Product.objects.filter(pk=product_id))
    if not views:
        raise NotFound("There is no such product.")
    [view] = views
    period = Period(since or _hour_of(view), until or view.read_at, step_seconds)
    counts = count(product_id, period)
    series = [Point(at, of_step) for at, of_step in counts.items()]
    return SaleStatistics(
        product=view.product,
        period=period,
        time_to_sell_out=time_to_sell_out(view),
        totals=sum(counts.values(), Counts()),
        series=series if step_seconds else None,
    )


def _hour_of(view: ProductView) -> datetime:
    """Return the full hour before a product was added: steps then begin at round times."""
    return view.product.created_at.replace(minute=0, second=0, microsecond=0)
