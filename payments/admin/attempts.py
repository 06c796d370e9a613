"""Payments that the shop made at a provider, for staff: without what pays them, and without addresses."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet

from flashsale.core import money
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import moment_column, text_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.search import IndexedSearchMixin
from payments.admin import look_ups
from payments.models import PaymentAttempt


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(IndexedSearchMixin, BigTableAdmin):
    list_display = (
        text_column("object_id", "id there"), "its_amount", "status", "reason_in_words", "order_in_list", "kind",
        "tries", moment_column("pay_until", "pay until"), moment_column("created_at", "begun"),
    )  # fmt: skip
    list_filter = ("status", "kind", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("order__product",)
    search_fields = ("object_id",)
    search_help_text = "Payment, session, order or hold id"
    when_empty = "A payment attempt appears here when a buyer is about to pay, and the shop makes the payment itself."
    ordering = ("-created_at",)
    actions = ("export_csv",)
    fieldsets = (
        (None, {"fields": ("number", "its_order", "its_amount", "status", "reason_in_words")}),
        ("At the provider", {"fields": ("provider", "kind", "object_id", "payment_id", "shop_id")}),
        ("Times", {"fields": ("created_at", "shown_at", "pay_until", "ended_at")}),
        ("Asking", {"fields": ("tries", "asked_at", "next_ask_at", "last_error")}),
        ("Idempotency key", {"fields": ("key_number", "key_used_at", "key_is_spent")}),
    )
    readonly_fields = ("its_order", "its_amount", "reason_in_words")
    export = Export(
        {
            "Id there": "object_id", "Payment": "payment_id", "Provider": "provider", "Begun": "created_at",
            "Amount": "amount", "Currency": "currency", "Status": lambda attempt: attempt.get_status_display(),
            "Why": lambda attempt: attempt.reason.replace("_", " "), "Kind": lambda attempt: attempt.get_kind_display(),
            "Number": "number", "Shown at": "shown_at", "Pay until": "pay_until", "Ended at": "ended_at",
            "Tries": "tries", "Order": "order_id",
        }
    )  # fmt: skip

    def look_ups(self, text: str) -> Iterable[QuerySet[PaymentAttempt]]:
        return look_ups.attempts(text)

    @admin.display(description="Amount", ordering="amount")
    def its_amount(self, attempt: PaymentAttempt) -> str:
        return money.written(attempt.amount, attempt.currency)

    @admin.display(description="Why")
    def reason_in_words(self, attempt: PaymentAttempt) -> str:
        return attempt.reason.replace("_", " ") or "-"

    @admin.display(description="Order")
    def order_in_list(self, attempt: PaymentAttempt) -> str:
        return sentence_cell(link_to(attempt.order))

    @admin.display(description="Order")
    def its_order(self, attempt: PaymentAttempt) -> str:
        return link_to(attempt.order)
