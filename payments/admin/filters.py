"""Filters of payments and orders: by what has to be given back, or was, in whole or in part."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest

from checkout.models import Order
from flashsale.core.staff.theme import RadioFilter
from payments import refunds
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


# The payments of an order that count for its refund: the one that bought it, or, where it is not paid, any.
_COUNTED = Q(event__reason=refunds.BOUGHT) | ~Q(order__status=Order.Status.PAID)
_GIVEN_BACK: dict[str, Q] = {
    Order.Refund.DONE: _COUNTED & Q(refunded_amount__gt=0),
    "some": _COUNTED & Q(refunded_amount__gt=0, refunded_amount__lt=F("amount")),
    "other": ~_COUNTED & Q(refunded_amount__gt=0),
}


class OrderRefundState(RadioFilter):
    """Orders whose money is due for refund, or was given back."""

    title = parameter_name = "refund"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [
            (Order.Refund.DUE, "Due"), (Order.Refund.DONE, "Done"), ("some", "Part given back"),
            ("other", "Another payment given back"),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        state = self.value()
        if state in _GIVEN_BACK:
            back = Payment.objects.filter(_GIVEN_BACK[state], order=OuterRef("pk"))
            done = queryset.filter(refund=state) if state == Order.Refund.DONE else queryset
            return done.filter(Exists(back))
        return queryset.filter(refund=state) if state else queryset
