"""What needs a human decision, each with a count and a link."""

from typing import Any

import redis
from django.contrib.auth.models import User
from django.db.models import Count
from django.urls import reverse

from checkout import audit
from flashsale.observability import heartbeat
from flashsale.outbox import endpoints
from flashsale.staff.dashboard.permissions import (
    VIEW_DISPUTE,
    VIEW_ENDPOINT,
    VIEW_EVENT,
    VIEW_ORDER,
    VIEW_PAYMENT,
    VIEW_SCHEDULE,
    VIEW_STOCK,
)
from payments import payment_records
from payments.models import Dispute, WebhookEvent

SILENT_WORKERS = "Silent workers"


def items() -> list[dict[str, Any]]:
    """Return what needs a human decision."""
    events = WebhookEvent.objects.filter(status__in=["needs_review", "dead"]).values("status").annotate(n=Count("pk"))
    count_of = {row["status"]: row["n"] for row in events.order_by()}
    to_review, dead = count_of.get("needs_review", 0), count_of.get("dead", 0)
    events_page = reverse("admin:payments_webhookevent_changelist")
    payments = reverse("admin:payments_payment_changelist")
    disputes = reverse("admin:payments_dispute_changelist")
    schedule_page = reverse("admin:django_celery_beat_periodictask_changelist")
    endpoints_page = reverse("admin:outbox_endpoint_changelist")
    due = payment_records.due().count()
    drift = audit.last_result()
    return [
        _item("Refunds due", VIEW_PAYMENT, due, f"{payments}?refund=due"),
        _item("Events to review", VIEW_EVENT, to_review, f"{events_page}?status__exact=needs_review"),
        _item("Disputes open or lost", VIEW_DISPUTE, _count_disputes(), f"{disputes}?status__in=open,lost"),
        _item("Dead events", VIEW_EVENT, dead, f"{events_page}?status__exact=dead"),
        _item("Endpoints that take no events", VIEW_ENDPOINT, endpoints.needing_attention().count(), endpoints_page),
        _item("Products with wrong counters", VIEW_STOCK, drift, reverse("admin:catalog_stock_changelist")),
        # Visible with the permission to view orders; the linked page needs another one (`_linked`).
        _item(SILENT_WORKERS, VIEW_ORDER, _silent_workers(), schedule_page),
    ]


def permitted(found: list[dict[str, Any]], user: User) -> list[dict[str, Any]]:
    """Return the items that the user may see, without the links to pages that the user may not open."""
    return [_linked(item, user) for item in found if user.has_perm(item["permission"])]


def _count_disputes() -> int:
    return Dispute.objects.filter(status__in=[Dispute.Status.OPEN, Dispute.Status.LOST]).count()


def _item(name: str, permission: str, count: int | None, url: str) -> dict[str, Any]:
    """Return one item; a `count` of None is unknown, because Redis did not answer."""
    return {"name": name, "permission": permission, "n": count, "url": url}


def _linked(item: dict[str, Any], user: User) -> dict[str, Any]:
    may_open = item["name"] != SILENT_WORKERS or user.has_perm(VIEW_SCHEDULE)
    return item if may_open else item | {"url": ""}


def _silent_workers() -> int | None:
    try:
        return len(heartbeat.silent_queues())
    except redis.RedisError:
        return None
