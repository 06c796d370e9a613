"""Filters of payments: by what has to be given back of them, in whole or in part."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from flashsale.core.staff.theme import RadioFilter
from payments.models import REFUND_IS_DUE, Payment


class RefundState(RadioFilter):
    """Payments of which something is due for refund, or of which something was given back."""

    title = parameter_name = "refund"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [("due", "Due"), ("some", "Something given back")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        if self.value() == "due":
            return queryset.filter(REFUND_IS_DUE)
        return queryset.filter(refunded_amount__gt=0) if self.value() == "some" else queryset
