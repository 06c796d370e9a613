"""Filters of holds and orders: by the status that pages show, by what became of the money, by product and time."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from checkout.models import Order
from flashsale.core.staff.theme import RadioFilter


class ShownStatus(RadioFilter):
    """Holds or orders that pages show with a status: overdue ones are expired."""

    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(status.value, status.label.capitalize()) for status in model_admin.model.Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        status = self.value()
        return queryset.shown_as(status, Now()) if status else queryset  # type: ignore[attr-defined]


class RefundState(RadioFilter):
    """Orders whose money is due for refund, or was given back."""

    title = parameter_name = "refund"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(Order.Refund.DUE, "Due"), (Order.Refund.DONE, "Done"), ("some", "Part given back")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        if state == "some":
            return queryset.filter(refunded_amount__gt=0, refunded_amount__lt=F("total_amount"))
        return queryset.filter(refund=state) if state else queryset
