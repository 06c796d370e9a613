"""Filters of holds and orders: by the status that pages show."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from checkout.models import Hold, Order
from flashsale.core.staff.theme import RadioFilter

# The status that ends at a deadline, and the column of the deadline.
DEADLINES: dict[type[Model], tuple[str, str]] = {
    Hold: (Hold.Status.ACTIVE, "expires_at"),
    Order: (Order.Status.PENDING_PAYMENT, "payment_due_at"),
}


class ShownStatus(RadioFilter):
    """Holds or orders that pages show with a status: overdue ones are expired."""

    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(status.value, status.label.capitalize()) for status in model_admin.model.Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        status = self.value()
        if not status:
            return queryset
        ends, deadline = DEADLINES[queryset.model]
        if status == queryset.model.Status.EXPIRED:
            return queryset.filter(Q(status=status) | Q(**{"status": ends, f"{deadline}__lte": Now()}))
        is_pending = {f"{deadline}__gt": Now()} if status == ends else {}
        return queryset.filter(status=status, **is_pending)
