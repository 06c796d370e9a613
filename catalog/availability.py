"""Products with their availability: how many units can be held, and what customers see, as of one statement.

Units of overdue holds and orders count as available, even before the sweeper has released them (see `overdue`). They
are not part of `Stock.free`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from catalog import overdue, sales
from catalog.models import Product, Stock

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class _Annotations(TypedDict):
        read_at: datetime
        overdue_units: int

    class _ForecastAnnotations(_Annotations):
        overdue_soon: int

    AnnotatedProduct = WithAnnotations[Product, _Annotations]
    ForecastProduct = WithAnnotations[Product, _ForecastAnnotations]


# How far ahead a forecast looks.
LOOKAHEAD = timedelta(seconds=1)


@dataclass(frozen=True)
class ProductView:
    """A product, its counters and its overdue units, all read at `read_at` (database time)."""

    product: Product
    stock: Stock
    overdue_units: int
    read_at: datetime

    @property
    def available_stock(self) -> int:
        """Units that can be held now."""
        return self.stock.free + self.overdue_units

    @property
    def reserved_units(self) -> int:
        """Units that holds and orders set aside; those of overdue ones are available."""
        return self.stock.reserved - self.overdue_units

    @property
    def is_sold_out(self) -> bool:
        return self.available_stock <= 0

    @property
    def sale_status(self) -> sales.SaleStatus:
        return sales.status_of(self.product, available=self.available_stock, now=self.read_at)


@dataclass(frozen=True)
class ProductForecast:
    """A product's view; `changes_soon` when the passage of time alone changes it within `LOOKAHEAD`.

    Then a hold or order becomes overdue, or the sale starts or ends.
    """

    view: ProductView
    changes_soon: bool


def annotate(products: QuerySet[Product]) -> "QuerySet[AnnotatedProduct]":
    """Return the query that `read` evaluates, for callers that paginate it: `view_of` makes views of its rows."""
    return products.select_related("stock").annotate(
        read_at=Now(), overdue_units=overdue.units_of(OuterRef("pk"), at=Now())
    )


def view_of(row: "AnnotatedProduct") -> ProductView:
    """Return the view of one row of `annotate`."""
    return ProductView(row, row.stock, row.overdue_units, row.read_at)


def with_status(products: "QuerySet[AnnotatedProduct]", status: sales.SaleStatus) -> "QuerySet[AnnotatedProduct]":
    """Return those products whose views have this status (see `sales.status_of`)."""
    upcoming, ended = Q(sale_starts_at__gt=Now()), Q(sale_ends_at__lte=Now())
    is_open = (Q(sale_starts_at=None) | Q(sale_starts_at__lte=Now())) & (
        Q(sale_ends_at=None) | Q(sale_ends_at__gt=Now())
    )
    # The first condition is cheap and nearly always decides: overdue units are counted for the other rows only.
    sold_out = Q(stock__total=F("stock__reserved") + F("stock__sold")) & Q(overdue_units=0)
    conditions = {
        sales.SaleStatus.UPCOMING: upcoming,
        sales.SaleStatus.ENDED: ended & ~upcoming,
        sales.SaleStatus.PAUSED: is_open & Q(paused_at__isnull=False),
        sales.SaleStatus.SOLD_OUT: is_open & Q(paused_at=None) & sold_out,
        sales.SaleStatus.LIVE: is_open & Q(paused_at=None) & ~sold_out,
    }
    return products.filter(conditions[status])


def read(products: QuerySet[Product]) -> list[ProductView]:
    """Return the views of these products, read in one statement."""
    return [view_of(row) for row in annotate(products)]


def annotate_forecast(products: QuerySet[Product]) -> "QuerySet[ForecastProduct]":
    """Return the query that `read_forecasts` evaluates."""
    return annotate(products).annotate(overdue_soon=overdue.units_of(OuterRef("pk"), at=Now() + LOOKAHEAD))


def read_forecasts(products: QuerySet[Product]) -> list[ProductForecast]:
    """Return the forecasts of these products, read in one statement."""
    return [_forecast_of(row) for row in annotate_forecast(products)]


def _forecast_of(row: "ForecastProduct") -> ProductForecast:
    view = view_of(row)
    boundaries = (row.sale_starts_at, row.sale_ends_at)
    opens_or_closes = any(moment and view.read_at < moment <= view.read_at + LOOKAHEAD for moment in boundaries)
    return ProductForecast(view, changes_soon=opens_or_closes or row.overdue_soon > view.overdue_units)
