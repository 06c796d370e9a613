"""Payments for staff, who refund them and record what they gave back by other means."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from flashsale.core import moments, money
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import moment_column, text_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.search import IndexedSearchMixin
from payments import explanations, refunds
from payments.admin import look_ups, refunding
from payments.admin.filters import RefundState
from payments.admin.forms import MarkingForm, Shown
from payments.explanations.outcomes import amount_of
from payments.models import Payment


def _why(payment: Payment) -> str:
    """Return why a payment was or is due for refund, which its own reason tells unless staff asked for the refund."""
    return explanations.why_due(payment) or ("staff asked for it" if payment.amount_due else "")


@admin.register(Payment)
class PaymentAdmin(IndexedSearchMixin, BigTableAdmin):
    list_display = (
        text_column("payment_id", "payment id"), "its_amount", "given_back", "due", "status", "why_in_list",
        "order_in_list", "provider",
        moment_column("created_at", "time"),
    )  # fmt: skip
    list_filter = (RefundState, "status", "provider", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("order__product", "event", "refunded_by")
    search_fields = ("payment_id",)
    search_help_text = "Payment, event, order or hold id"
    when_empty = "A payment appears here when its provider says that money was taken."
    ordering = ("-created_at",)
    actions = ("refund", "mark_refunded", "export_csv")
    page_actions = ("refund", "mark_refunded")
    fieldsets = (
        (None, {"fields": ("payment_id", "provider", "its_order", "its_event", "created_at")}),
        ("Money", {"fields": ("its_amount", "given_back", "due", "status", "why_due")}),
        ("Given back", {"fields": ("its_requests", "its_refunds", "refunded_by", "refunded_note", "its_disputes")}),
    )
    readonly_fields = (
        "its_order",
        "its_event",
        "its_amount",
        "given_back",
        "due",
        "why_due",
        "its_requests",
        "its_refunds",
        "its_disputes",
    )
    export = Export(
        {
            "Payment": "payment_id", "Provider": "provider", "Time": "created_at", "Amount": "amount",
            "Given back": "refunded_amount", "Due for refund": lambda payment: payment.amount_due,
            "Currency": "currency", "Status": lambda payment: payment.get_status_display(),
            "Why": _why, "Order": "order_id", "Given back by": "refunded_by.username",
            "Note": "refunded_note",
        }
    )  # fmt: skip

    def look_ups(self, text: str) -> Iterable[QuerySet[Payment]]:
        return look_ups.payments(text)

    def is_offered(self, action: str, row: Payment) -> bool:
        return refunding.is_refundable(row) if action == "refund" else not row.is_refund_done

    def status_line(self, row: Payment) -> str:
        reason = f", {explanations.why_due(row)}" if row.reason else ""
        back = money.written(row.refunded_amount, row.currency)
        return f"{amount_of(row)}, of which {back} were given back: {row.get_status_display()}{reason}."

    @admin.action(description="Refund", permissions=["decide"])
    def refund(self, request: HttpRequest, queryset: QuerySet[Payment]) -> TemplateResponse | None:
        payments = queryset.select_related("event")
        return refunding.ask_and_refund(self, request, payments, payment_of=lambda payment: payment)

    @admin.action(description="Mark as refunded by other means", permissions=["decide"])
    def mark_refunded(self, request: HttpRequest, queryset: QuerySet[Payment]) -> TemplateResponse | None:
        def mark(payment: Payment, *, note: str, shown: Shown) -> Payment:
            return refunds.mark_refunded(payment, staff=request.user, note=note, **shown.get(str(payment.pk), {}))

        def describe(_: Payment, result: Payment) -> str:
            back = money.written(result.refunded_amount, result.currency)
            return f"{result}: {result.get_status_display()}; {back} were given back in all."

        return self.confirm_and_run(
            request, queryset, action="mark_refunded", verb=mark, describe=describe, form_class=MarkingForm,
            initial={"shown": refunding.shown_for_marking(self.rows_shown(request, queryset))},
            effect=refunding.effect_of_marking,
        )  # fmt: skip

    @admin.display(description="Order")
    def order_in_list(self, payment: Payment) -> str:
        return sentence_cell(link_to(payment.order))

    @admin.display(description="Why")
    def why_in_list(self, payment: Payment) -> str:
        return sentence_cell(_why(payment) or "-")

    @admin.display(description="Order")
    def its_order(self, payment: Payment) -> str:
        return link_to(payment.order)

    @admin.display(description="Event that brought it")
    def its_event(self, payment: Payment) -> str:
        return link_to(payment.event, payment.event.event_id)

    @admin.display(description="Amount", ordering="amount")
    def its_amount(self, payment: Payment) -> str:
        return amount_of(payment)

    @admin.display(description="Given back", ordering="refunded_amount")
    def given_back(self, payment: Payment) -> str:
        return money.written(payment.refunded_amount, payment.currency)

    @admin.display(description="Due for refund")
    def due(self, payment: Payment) -> str:
        return money.written(payment.amount_due, payment.currency) if payment.amount_due else "-"

    @admin.display(description="Why it is due")
    def why_due(self, payment: Payment) -> str:
        return _why(payment) or "-"

    @admin.display(description="Decided by staff")
    def its_requests(self, payment: Payment) -> str:
        """Return which refunds staff asked for or recorded, when and why."""
        asked = payment.refund_requests.select_related("payment", "requested_by").order_by("created_at", "pk")
        lines = ((moments.written(one.created_at), one.author or "-", one, one.note) for one in asked)
        return format_html_join(mark_safe("<br>"), "{}, {}: {} ({})", lines) or "None"

    @admin.display(description="Refunds")
    def its_refunds(self, payment: Payment) -> str:
        """Link the attempts to refund it, with their outcomes."""
        refunds_of_it = payment.refunds.select_related("payment").order_by("created_at", "pk")
        links = ((link_to(refund), refund.get_status_display()) for refund in refunds_of_it)
        return format_html_join("; ", "{}: {}", links) or "None through the provider"

    @admin.display(description="Disputes")
    def its_disputes(self, payment: Payment) -> str:
        """Link the disputes about it, with their states."""
        links = ((link_to(dispute), dispute.get_status_display()) for dispute in payment.disputes.order_by("pk"))
        return format_html_join("; ", "{}: {}", links) or "None"
