"""The admin's first page: what is on sale, how it goes, what needs a human; a few cheap queries every two seconds."""

import time
from typing import Any

import redis
from django.core.cache import cache
from django.db.models import Count, Model, Q, QuerySet
from django.db.models.functions import Now, TruncMinute
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from checkout import audit
from checkout.models import Hold, Order
from flashsale import counts, heartbeat
from payments.models import Dispute, Payment, WebhookEvent

KEPT_SECONDS = 2
SALES_SHOWN = 12
MINUTES_SHOWN = 60


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the numbers to the page's context (unfold's `DASHBOARD_CALLBACK`)."""
    return context | numbers()


def numbers() -> dict[str, Any]:
    """Return everything the page shows, at most `KEPT_SECONDS` old."""
    return cache.get_or_set("dashboard", _numbers, KEPT_SECONDS)


def _numbers() -> dict[str, Any]:
    minutes = _last_minutes()
    holds, orders = _a_minute(Hold.objects.all(), minutes), _a_minute(Order.objects.all(), minutes)
    return {
        "sales": [_bar(product) for product in _running()[:SALES_SHOWN]],
        "more_sales": max(0, _running().count() - SALES_SHOWN),
        "next_sale": Product.objects.published().filter(sale_starts_at__gt=Now()).order_by("sale_starts_at").first(),
        "needs": _needs(),
        "funnel": _funnel(sum(holds)),
        "chart": {
            "labels": [timezone.localtime(_moment(minute)).strftime("%H:%M") for minute in minutes],
            "holds": holds,
            "orders": orders,
            "refusals": counts.a_minute(minutes),
        },
    }


def _last_minutes() -> list[int]:
    now = int(time.time()) // 60
    return list(range(now - MINUTES_SHOWN + 1, now + 1))


def _moment(minute: int):
    return timezone.datetime.fromtimestamp(minute * 60, tz=timezone.get_current_timezone())


def _a_minute(made: QuerySet[Model], minutes: list[int]) -> list[int]:
    since = made.filter(created_at__gte=_moment(minutes[0]))
    rows = since.annotate(minute=TruncMinute("created_at")).values("minute").annotate(n=Count("pk")).order_by()
    found = {int(row["minute"].timestamp()) // 60: row["n"] for row in rows}
    return [found.get(minute, 0) for minute in minutes]


def _running() -> QuerySet[Product]:
    begun = Q(sale_starts_at=None) | Q(sale_starts_at__lte=Now())
    not_over = Q(sale_ends_at=None) | Q(sale_ends_at__gt=Now())
    running = Product.objects.published().filter(begun, not_over).select_related("stock").with_availability()
    # The busiest first: each change of the counters is a version.
    return running.order_by("-stock__version", "-pk")


def _bar(product: Product) -> dict[str, Any]:
    """Return the three parts of a product's stock, in units and in percent of the total."""
    stock, total = product.stock, max(1, product.stock.total)
    units = {"sold": stock.sold, "reserved": stock.total - stock.sold - product.available_stock}
    units["available"] = product.available_stock
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
    made = Order.objects.filter(created_at__gte=since).aggregate(all=Count("pk"), paid=Count("pk", Q(status="paid")))
    steps = {"holds": holds, "orders": made["all"], "paid": made["paid"]}
    return [{"name": name, "n": n, "percent": round(100 * n / holds) if holds else 0} for name, n in steps.items()]


def _needs() -> list[dict[str, Any]]:
    """Return what waits for a human, each with a count and a link."""
    events = WebhookEvent.objects.filter(status__in=["needs_review", "dead"]).values("status").annotate(n=Count("pk"))
    of_status = {row["status"]: row["n"] for row in events.order_by()}
    listed = reverse("admin:payments_webhookevent_changelist")
    due = Payment.objects.filter(status=Payment.Status.REFUND_DUE).count()
    drift = audit.last_result()
    return [
        _need("Refunds due", due, reverse("admin:payments_payment_changelist") + "?status__exact=refund_due"),
        _need("Events to review", of_status.get("needs_review", 0), f"{listed}?status__exact=needs_review"),
        _need("Disputes", _disputes(), reverse("admin:payments_dispute_changelist") + "?status__in=open,lost"),
        _need("Dead events", of_status.get("dead", 0), f"{listed}?status__exact=dead"),
        _need("Products with wrong counters", drift, reverse("admin:catalog_stock_changelist")),
        _need("Silent workers", _silent(), reverse("admin:django_celery_beat_periodictask_changelist")),
    ]


def _disputes() -> int:
    return Dispute.objects.filter(status__in=[Dispute.Status.OPEN, Dispute.Status.LOST]).count()


def _need(name: str, n: int | None, url: str) -> dict[str, Any]:
    return {"name": name, "n": n, "url": url, "is_urgent": n != 0}


def _silent() -> int | None:
    try:
        return len(heartbeat.silent_queues())
    except redis.RedisError:
        return None
