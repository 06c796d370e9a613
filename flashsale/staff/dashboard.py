"""The admin's first page: products on sale, the last hour, and what needs a human decision.

The figures are cached for two seconds, so that many open pages cost a few queries.
"""

import time
from datetime import datetime
from typing import Any

import redis
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import Count, Model, Q, QuerySet, Sum
from django.db.models.functions import Now, TruncMinute
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from catalog import availability
from catalog.availability import ProductView
from catalog.models import Product
from checkout import audit
from checkout.models import Hold, Order, RefusalCount
from flashsale.observability import heartbeat
from payments import payment_records
from payments.models import Dispute, WebhookEvent

CACHE_SECONDS = 2
SALES_SHOWN = 12
MINUTES_SHOWN = 60

VIEW_PRODUCT, VIEW_STOCK = "catalog.view_product", "catalog.view_stock"
VIEW_HOLD, VIEW_ORDER = "checkout.view_hold", "checkout.view_order"
VIEW_EVENT, VIEW_PAYMENT = "payments.view_webhookevent", "payments.view_payment"
VIEW_DISPUTE = "payments.view_dispute"
SILENT_WORKERS = "Silent workers"
VIEW_SCHEDULE = "django_celery_beat.view_periodictask"
PERMISSIONS_OF_PART = {
    "sales": (VIEW_PRODUCT, VIEW_STOCK), "more_sales": (VIEW_PRODUCT, VIEW_STOCK), "next_sale": (VIEW_PRODUCT,),
}  # fmt: skip
PERMISSIONS_OF_SERIES = {"labels": (), "holds": (VIEW_HOLD,), "refusals": (VIEW_HOLD,), "orders": (VIEW_ORDER,)}


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the figures to the page's context (unfold's `DASHBOARD_CALLBACK`)."""
    return context | figures(request.user)


def figures(user: User) -> dict[str, Any]:
    """Return the figures that this member of staff may see, at most `CACHE_SECONDS` old.

    Each part needs the permission to view the models that it is counted from. Without it the part is missing, or an
    empty list.
    """
    parts = cache.get_or_set("dashboard", _figures, CACHE_SECONDS)
    visible = {name: part for name, part in parts.items() if user.has_perms(PERMISSIONS_OF_PART.get(name, ()))}
    steps = [step for step in parts["funnel"] if user.has_perm(step["permission"])]
    visible["funnel"] = steps
    visible["funnel_percent"] = user.has_perm(VIEW_HOLD)
    visible["attention"] = [_linked(item, user) for item in parts["attention"] if user.has_perm(item["permission"])]
    series = {name: values for name, values in parts["chart"].items() if user.has_perms(PERMISSIONS_OF_SERIES[name])}
    visible["chart"] = series if len(series) > 1 else None
    visible["has_parts"] = bool(visible["attention"] or steps or {"sales", "next_sale"} & visible.keys())
    return visible


def _figures() -> dict[str, Any]:
    minutes = _last_minutes()
    holds, orders = _per_minute(Hold.objects.all(), minutes), _per_minute(Order.objects.all(), minutes)
    return {
        "sales": [_stock_bar(view) for view in availability.read(_running()[:SALES_SHOWN])],
        "more_sales": max(0, _running().count() - SALES_SHOWN),
        "next_sale": Product.objects.published().filter(sale_starts_at__gt=Now()).order_by("sale_starts_at").first(),
        "attention": attention_items(),
        "funnel": _funnel(sum(holds)),
        "chart": {
            "labels": [timezone.localtime(_moment(minute)).strftime("%H:%M") for minute in minutes],
            "holds": holds,
            "orders": orders,
            "refusals": _refusals_per_minute(minutes),
        },
    }


def _last_minutes() -> list[int]:
    now = int(time.time()) // 60
    return list(range(now - MINUTES_SHOWN + 1, now + 1))


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, tz=timezone.get_current_timezone())


def _per_minute(rows: QuerySet[Model], minutes: list[int]) -> list[int]:
    """Return how many rows were created in each of these minutes (since the epoch)."""
    recent = rows.filter(created_at__gte=_moment(minutes[0]))
    counts = recent.annotate(minute=TruncMinute("created_at")).values("minute").annotate(n=Count("pk")).order_by()
    count_of = {int(row["minute"].timestamp()) // 60: row["n"] for row in counts}
    return [count_of.get(minute, 0) for minute in minutes]


def _refusals_per_minute(minutes: list[int]) -> list[int]:
    recent = RefusalCount.objects.filter(seconds=RefusalCount.SECOND, began_at__gte=_moment(minutes[0]))
    sums = recent.annotate(minute=TruncMinute("began_at")).values("minute").annotate(n=Sum("claims")).order_by()
    count_of = {int(row["minute"].timestamp()) // 60: row["n"] for row in sums}
    return [count_of.get(minute, 0) for minute in minutes]


def _running() -> QuerySet[Product]:
    has_begun = Q(sale_starts_at=None) | Q(sale_starts_at__lte=Now())
    has_not_ended = Q(sale_ends_at=None) | Q(sale_ends_at__gt=Now())
    running = Product.objects.published().filter(has_begun, has_not_ended)
    # The busiest first: each write of the counters increases the version.
    return running.order_by("-stock__version", "-pk")


def _stock_bar(view: ProductView) -> dict[str, Any]:
    """Return the three parts of a product's stock, in units and in percent of the total."""
    product, stock, total = view.product, view.stock, max(1, view.stock.total)
    units = {"sold": stock.sold, "reserved": stock.total - stock.sold - view.available_stock}
    units["available"] = view.available_stock
    return {
        "name": product.name,
        "url": reverse("admin:catalog_product_change", args=[product.pk]),
        "is_paused": product.paused_at is not None,
        "total": stock.total,
        "parts": [{"name": name, "units": n, "percent": round(100 * n / total, 2)} for name, n in units.items()],
    }


def _funnel(holds: int) -> list[dict[str, Any]]:
    """Return how many of the last hour's holds became orders, and paid ones."""
    since = _moment(_last_minutes()[0])
    orders = Order.objects.filter(created_at__gte=since).aggregate(all=Count("pk"), paid=Count("pk", Q(status="paid")))
    steps = {"holds": holds, "orders": orders["all"], "paid": orders["paid"]}
    return [
        {
            "name": name,
            "n": n,
            "percent": round(100 * n / holds) if holds else 0,
            "permission": VIEW_HOLD if name == "holds" else VIEW_ORDER,
        }
        for name, n in steps.items()
    ]


def attention_items() -> list[dict[str, Any]]:
    """Return what needs a human decision, each with a count and a link."""
    events = WebhookEvent.objects.filter(status__in=["needs_review", "dead"]).values("status").annotate(n=Count("pk"))
    count_of = {row["status"]: row["n"] for row in events.order_by()}
    to_review, dead = count_of.get("needs_review", 0), count_of.get("dead", 0)
    events_page = reverse("admin:payments_webhookevent_changelist")
    payments = reverse("admin:payments_payment_changelist")
    disputes = reverse("admin:payments_dispute_changelist")
    schedule_page = reverse("admin:django_celery_beat_periodictask_changelist")
    due = payment_records.due().count()
    drift = audit.last_result()
    return [
        _item("Refunds due", VIEW_PAYMENT, due, f"{payments}?status__exact=refund_due"),
        _item("Events to review", VIEW_EVENT, to_review, f"{events_page}?status__exact=needs_review"),
        _item("Disputes", VIEW_DISPUTE, _count_disputes(), f"{disputes}?status__in=open,lost"),
        _item("Dead events", VIEW_EVENT, dead, f"{events_page}?status__exact=dead"),
        _item("Products with wrong counters", VIEW_STOCK, drift, reverse("admin:catalog_stock_changelist")),
        # Visible with the permission to view orders; the linked page needs another one (`_linked`).
        _item(SILENT_WORKERS, VIEW_ORDER, _silent_workers(), schedule_page),
    ]


def _count_disputes() -> int:
    return Dispute.objects.filter(status__in=[Dispute.Status.OPEN, Dispute.Status.LOST]).count()


def _item(name: str, permission: str, count: int | None, url: str) -> dict[str, Any]:
    """Return one item; a `count` of None is unknown, because Redis did not answer."""
    return {"name": name, "permission": permission, "n": count, "url": url, "is_urgent": count != 0}


def _linked(item: dict[str, Any], user: User) -> dict[str, Any]:
    """Return the item, without its link where the user may not open the page."""
    may_open = item["name"] != SILENT_WORKERS or user.has_perm(VIEW_SCHEDULE)
    return item if may_open else item | {"url": ""}


def _silent_workers() -> int | None:
    try:
        return len(heartbeat.silent_queues())
    except redis.RedisError:
        return None
