"""Disputes for staff."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.html import format_html_join

from flashsale.core import money
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import moment_column, text_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.search import IndexedSearchMixin
from payments.admin import look_ups
from payments.explanations import naming
from payments.models import Dispute


@admin.register(Dispute)
class DisputeAdmin(IndexedSearchMixin, BigTableAdmin):
    list_display = (
        text_column("dispute_id", "dispute id"), "its_amount", "status", "reason_in_words", "its_payment",
        "order_in_list",
        moment_column("created_at", "since"), moment_column("as_of", "state as of"),
    )  # fmt: skip
    list_filter = ("status", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("payment__order__product",)
    search_fields = ("dispute_id",)
    search_help_text = "Dispute, payment, order or hold id"
    when_empty = "A dispute appears here when a customer's bank asks for a payment back."
    ordering = ("-created_at",)
    actions = ("export_csv",)
    fieldsets = (
        (None, {"fields": ("dispute_id", "its_amount", "status", "reason_in_words", "created_at", "as_of")}),
        ("About", {"fields": ("its_payment", "its_order", "its_events")}),
    )
    readonly_fields = ("its_amount", "its_payment", "its_order", "reason_in_words", "its_events")
    export = Export(
        {
            "Dispute": "dispute_id", "Amount": "amount", "Currency": "currency",
            "Status": lambda dispute: dispute.get_status_display(),
            "Reason": lambda dispute: dispute.reason.replace("_", " "), "Payment": "payment.payment_id",
            "Order": "payment.order_id", "Since": "created_at", "State as of": "as_of",
        }
    )  # fmt: skip

    def look_ups(self, text: str) -> Iterable[QuerySet[Dispute]]:
        return look_ups.disputes(text)

    @admin.display(description="Amount", ordering="amount")
    def its_amount(self, dispute: Dispute) -> str:
        return "-" if dispute.amount is None else money.written(dispute.amount, dispute.currency)

    @admin.display(description="Payment")
    def its_payment(self, dispute: Dispute) -> str:
        return link_to(dispute.payment)

    @admin.display(description="Order")
    def order_in_list(self, dispute: Dispute) -> str:
        return sentence_cell(link_to(dispute.payment.order))

    @admin.display(description="Order")
    def its_order(self, dispute: Dispute) -> str:
        return link_to(dispute.payment.order)

    @admin.display(description="Reason", ordering="reason")
    def reason_in_words(self, dispute: Dispute) -> str:
        """Return the provider's word for it."""
        return dispute.reason.replace("_", " ") or "-"

    @admin.display(description="Events")
    def its_events(self, dispute: Dispute) -> str:
        """Link the events about it."""
        about = (
            event
            for events in naming.naming(payment_ids=[dispute.payment.payment_id])
            for event in events.filter(dispute_ref=dispute.dispute_id).order_by("pk")
        )
        links = ((link_to(event, event.event_id), event.type) for event in about)
        return format_html_join("; ", "{} ({})", links) or "None"
