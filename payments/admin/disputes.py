"""Disputes for staff."""

from django.contrib import admin

from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import money_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from payments.models import Dispute


@admin.register(Dispute)
class DisputeAdmin(BigTableAdmin):
    list_display = ("dispute_id", "payment", money_column("amount"), "status", "reason", "created_at", "as_of")
    list_filter = ("status", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("payment",)
    search_fields = ("dispute_id", "payment__payment_id")
    ordering = ("-created_at",)
    actions = ("export_csv",)
    export = Export(
        {
            "dispute_id": "dispute_id", "payment_id": "payment.payment_id", "order_id": "payment.order_id",
            "created_at": "created_at", "amount": "amount", "currency": "currency", "status": "status",
            "reason": "reason", "as_of": "as_of",
        }
    )  # fmt: skip
