"""The menu in the side bar, by task: only what a member of staff may view, with how many rows need a decision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from flashsale.outbox import endpoints
from flashsale.staff import names
from payments import payment_records
from payments.models import Dispute, Payment, WebhookEvent

COUNTED_FOR_SECONDS = 5
MAX_COUNT = 99


@dataclass(frozen=True)
class Entry:
    """A link of the menu to a model's list; `needing` are its rows that need a human decision."""

    model: str
    icon: str
    needing: Callable[[], QuerySet[Any]] | None = None

    def link(self) -> str:
        """Return the URL of the list."""
        return reverse(f"admin:{self.model.lower().replace('.', '_')}_changelist")

    def badge(self) -> str:
        """Return how many rows need a decision, "" for none, as of the last `COUNTED_FOR_SECONDS`."""
        return cache.get_or_set(f"menu:{self.model}", self._count, COUNTED_FOR_SECONDS) if self.needing else ""

    def _count(self) -> str:
        rows = self.needing().order_by() if self.needing else WebhookEvent.objects.none()
        count = rows[: MAX_COUNT + 1].count()
        return f"{MAX_COUNT}+" if count > MAX_COUNT else str(count or "")


def _undecided_events() -> QuerySet[WebhookEvent]:
    return WebhookEvent.objects.filter(status__in=[WebhookEvent.Status.NEEDS_REVIEW, WebhookEvent.Status.DEAD])


def _refunds_due() -> QuerySet[Payment]:
    return payment_records.due()


def _open_disputes() -> QuerySet[Dispute]:
    return Dispute.objects.filter(status__in=[Dispute.Status.OPEN, Dispute.Status.LOST])


PARTS: dict[str, tuple[Entry, ...]] = {
    names.SALE: (
        Entry("catalog.Product", "sell"),
        Entry("catalog.Stock", "inventory_2"),
        Entry("catalog.StockAdjustment", "exposure"),
    ),
    names.ORDERS: (Entry("checkout.Order", "receipt_long"), Entry("checkout.Hold", "shopping_basket")),
    names.MONEY: (
        Entry("payments.WebhookEvent", "webhook", _undecided_events),
        Entry("payments.Payment", "payments", _refunds_due),
        Entry("payments.PaymentAttempt", "hourglass_top"),
        Entry("payments.Refund", "undo"),
        Entry("payments.Dispute", "gavel", _open_disputes),
    ),
    names.BACK_END: (
        Entry("outbox.Endpoint", "hub", endpoints.needing_attention),
        Entry("outbox.Delivery", "send"),
        Entry("outbox.Event", "notifications"),
    ),
    names.STAFF: (
        Entry("auth.User", "person"),
        Entry("auth.Group", "badge"),
        Entry("rest_framework_api_key.APIKey", "key"),
        Entry("otp_totp.TOTPDevice", "phonelink_lock"),
        Entry("flashsale.LoginFailure", "lock"),
    ),
    names.SYSTEM: (
        Entry("admin.LogEntry", "history"),
        Entry("django_celery_beat.PeriodicTask", "schedule"),
        Entry("django_celery_beat.IntervalSchedule", "timer"),
        Entry("django_celery_beat.CrontabSchedule", "calendar_month"),
    ),
}
# Closed until it is opened or holds the current page.
RARELY_USED = {names.SYSTEM}


def place_of(model: type[Model]) -> int:
    """Return the place of a model's list in the menu; those that are not there come last."""
    order = [entry.model for entries in PARTS.values() for entry in entries]
    return order.index(model._meta.label) if model._meta.label in order else len(order)


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu of this member of staff, as the theme reads it (`SIDEBAR.navigation`)."""
    first = {"title": "The sale now", "icon": "monitoring", "link": reverse("admin:index")}
    menu: list[dict[str, Any]] = [{"items": [first]}]
    for name, entries in PARTS.items():
        items = [_item(entry) for entry in entries if _may_view(request, entry)]
        if name == names.SYSTEM:
            items.append({"title": "API description", "icon": "description", "link": reverse("docs")})
        menu.append({"title": name, "items": items, "collapsible": name in RARELY_USED})
    return [part for part in menu if part["items"]]


def _item(entry: Entry) -> dict[str, Any]:
    model = _admin_of(entry).opts
    title = str(model.verbose_name_plural)
    return {
        "title": title[:1].upper() + title[1:],
        "icon": entry.icon,
        "link": entry.link(),
        "badge": entry.badge(),
        "badge_style": "solid",
    }


def _may_view(request: HttpRequest, entry: Entry) -> bool:
    return _admin_of(entry).has_view_or_change_permission(request)


def _admin_of(entry: Entry) -> admin.ModelAdmin:
    return admin.site.get_model_admin(apps.get_model(entry.model))
