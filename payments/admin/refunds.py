"""Attempts to refund through a provider, for staff."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet

from flashsale.core import money
from flashsale.core.staff.columns import moment_column, text_column
from flashsale.core.staff.confirmed_actions import ReadOnlyAdmin
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.search import IndexedSearchMixin
from payments.admin import look_ups
from payments.models import Refund


@admin.register(Refund)
class RefundAdmin(IndexedSearchMixin, ReadOnlyAdmin):
    list_display = (
        "number", "its_amount", "its_payment", "order_in_list", "status", text_column("refund_id", "refund id"),
        "tries",
        moment_column("next_try_at", "next try"), moment_column("created_at", "begun"),
    )  # fmt: skip
    list_filter = ("status", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("payment__order__product",)
    search_fields = ("refund_id",)
    search_help_text = "Refund, payment, order or hold id"
    when_empty = "A refund appears here when the shop asks a provider to give money back."
    ordering = ("-created_at",)
    actions = ("export_csv",)
    fieldsets = (
        (None, {"fields": ("number", "its_amount", "its_payment", "its_order", "status", "refund_id")}),
        ("Sending", {"fields": ("created_at", "tries", "next_try_at", "answered_at", "last_error")}),
        ("Idempotency key", {"fields": ("key_number", "key_used_at", "key_is_spent")}),
    )
    readonly_fields = ("number", "its_amount", "its_payment", "its_order")
    export = Export(
        {
            "Payment": "payment.payment_id", "Provider": "payment.provider", "Begun": "created_at", "Amount": "amount",
            "Currency": "payment.currency", "Status": lambda refund: refund.get_status_display(),
            "Refund": "refund_id", "Attempt": "attempt", "Tries": "tries", "Next try": "next_try_at",
            "Answered": "answered_at", "Order": "payment.order_id",
        },
        currency="payment.currency",
    )  # fmt: skip

    def look_ups(self, text: str) -> Iterable[QuerySet[Refund]]:
        return look_ups.refunds(text)

    @admin.display(description="Refund", ordering="attempt")
    def number(self, refund: Refund) -> str:
        return f"Attempt {refund.attempt}" if refund.attempt else "Not sent by the shop"

    @admin.display(description="Amount", ordering="amount")
    def its_amount(self, refund: Refund) -> str:
        return money.written(refund.amount, refund.payment.currency)

    @admin.display(description="Payment")
    def its_payment(self, refund: Refund) -> str:
        return link_to(refund.payment)

    @admin.display(description="Order")
    def order_in_list(self, refund: Refund) -> str:
        return sentence_cell(link_to(refund.payment.order))

    @admin.display(description="Order")
    def its_order(self, refund: Refund) -> str:
        return link_to(refund.payment.order)
