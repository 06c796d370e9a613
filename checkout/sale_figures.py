"""What happened in a product's sale so far: its holds and orders. Registered with `catalog.sale_figures`."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Q, Sum
from django.urls import reverse

from catalog.availability import ProductView
from catalog.sale_figures import Figure
from checkout import statistics
from checkout.models import Hold, Order


def of_holds(view: ProductView) -> Iterator[Figure]:
    """Yield how many holds were placed, what became of them, and how long the sale took to sell out."""
    placed = Hold.objects.filter(product=view.product).order_by()
    is_overdue = Q(status=Hold.Status.ACTIVE, expires_at__lte=view.read_at)
    counts = list(
        placed.values("status").annotate(n=Count("pk"), units=Sum("quantity"), overdue=Count("pk", is_overdue))
    )
    n_of = {row["status"]: row["n"] for row in counts}
    overdue = sum(row["overdue"] for row in counts)
    units = sum(row["units"] for row in counts)
    page = f"{reverse('admin:checkout_hold_changelist')}?product__id__exact={view.product.pk}"
    yield Figure("Holds placed", f"{sum(n_of.values()):,} for {units:,} units", page)
    ends = {
        "active": n_of.get(Hold.Status.ACTIVE, 0) - overdue,
        "ordered": n_of.get(Hold.Status.CONVERTED, 0),
        "expired": n_of.get(Hold.Status.EXPIRED, 0) + overdue,
        "given up": n_of.get(Hold.Status.RELEASED, 0),
    }
    if n_of:
        yield Figure("What became of the holds", _listed(ends))
    time = statistics.time_to_sell_out(view)
    if time is not None:
        yield Figure("Sold out", f"{_duration(time)} after the start, with the last hold")


def of_orders(view: ProductView) -> Iterator[Figure]:
    """Yield how many orders there are, and what became of them."""
    placed = Order.objects.filter(product=view.product).order_by()
    is_overdue = Q(status=Order.Status.PENDING_PAYMENT, payment_due_at__lte=view.read_at)
    counts = list(placed.values("status").annotate(n=Count("pk"), overdue=Count("pk", is_overdue)))
    n_of = {row["status"]: row["n"] for row in counts}
    overdue = sum(row["overdue"] for row in counts)
    page = f"{reverse('admin:checkout_order_changelist')}?product__id__exact={view.product.pk}"
    yield Figure("Orders", f"{sum(n_of.values()):,}", page)
    ends = {
        "paid": n_of.get(Order.Status.PAID, 0),
        "waiting for payment": n_of.get(Order.Status.PENDING_PAYMENT, 0) - overdue,
        "cancelled": n_of.get(Order.Status.CANCELLED, 0),
        "expired": n_of.get(Order.Status.EXPIRED, 0) + overdue,
    }
    if n_of:
        yield Figure("What became of the orders", _listed(ends))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)


def _duration(time: timedelta) -> str:
    seconds = time.total_seconds()
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{seconds:.1f} s" if seconds < 60 else f"{hours} h {minutes} min {int(seconds) % 60} s"
