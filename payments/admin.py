"""Webhook events, payments and refunds for staff: to look at, and to settle what nothing else can."""

from collections.abc import Callable

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from flashsale.core import money
from flashsale.core.admin import ReadOnlyAdmin, money_column
from flashsale.core.refusals import Refusal
from payments import inbox, refunds, settlement
from payments.models import NOTE_LENGTH, Payment, Refund, WebhookEvent


class NoteForm(ActionForm):
    """What every decision about money needs: why, or how."""

    note = forms.CharField(max_length=NOTE_LENGTH, required=False)


class SettleForm(NoteForm):
    """A decision about an event; order, amount and currency where the event does not say them."""

    order_id = forms.UUIDField(required=False, label="Order")
    amount = forms.DecimalField(
        required=False, min_value=0.001, max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES
    )
    currency = forms.CharField(required=False, max_length=money.CURRENCY_LENGTH)

    def clean_currency(self) -> str:
        code = self.cleaned_data["currency"].upper()
        if code and not money.is_currency(code):
            raise forms.ValidationError("This is not an ISO 4217 currency.")
        return code


class MoneyAdmin(ReadOnlyAdmin):
    """What its pages' actions share: the form beside them, one domain call a row, and a message about each."""

    def _decided(self, request: HttpRequest) -> dict | None:
        """Return what was typed beside the action; None, and a message, when it cannot be used."""
        form = self.action_form(request.POST, auto_id=None)
        form.fields["action"].choices = self.get_action_choices(request)
        if not form.is_valid():
            messages.error(request, " ".join(f"{name}: {' '.join(found)}" for name, found in form.errors.items()))
            return None
        given = {name: value for name, value in form.cleaned_data.items() if name not in ("action", "select_across")}
        if not given["note"].strip():
            messages.error(request, "Write a note beside the action: it is kept with the decision.")
            return None
        return given

    def _each(self, request: HttpRequest, rows: QuerySet, verb: Callable[[Model], Model]) -> None:
        for row in rows:
            try:
                result = verb(row)
            except Refusal as refusal:
                self.message_user(request, f"{row}: {refusal}", messages.WARNING)
            else:
                self.message_user(request, str(result))

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"payments.change_{self.opts.model_name}")


@admin.register(WebhookEvent)
class WebhookEventAdmin(MoneyAdmin):
    list_display = ("event_id", "provider", "kind", "status", "reason", "payment_ref", "attempts", "received_at")
    list_filter = ("status", "kind", "provider")
    search_fields = ("event_id", "payment_ref", "order_ref")
    ordering = ("-received_at",)
    exclude = ("body",)
    readonly_fields = ("raw_body",)
    action_form = SettleForm
    actions = ("retry", "accept", "refund", "dismiss")

    @admin.action(description="Retry dead events", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        self._each(request, queryset, lambda event: inbox.retry(event.pk))

    @admin.action(description="Settle: accept as they are", permissions=["decide"])
    def accept(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        if given := self._decided(request):
            chosen = {"note": given["note"], "order_id": given["order_id"], "staff": request.user}
            self._each(request, queryset, lambda event: settlement.accept(event.pk, **chosen))

    @admin.action(description="Settle: give the money back", permissions=["decide"])
    def refund(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        if given := self._decided(request):
            self._each(request, queryset, lambda event: settlement.refund(event.pk, staff=request.user, **given))

    @admin.action(description="Settle: dismiss, nothing is to be done", permissions=["decide"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        if given := self._decided(request):
            chosen = {"note": given["note"], "staff": request.user}
            self._each(request, queryset, lambda event: settlement.dismiss(event.pk, **chosen))

    @admin.display(description="Body")
    def raw_body(self, event: WebhookEvent) -> str:
        return "(purged)" if event.body is None else bytes(event.body).decode(errors="replace")


@admin.register(Payment)
class PaymentAdmin(MoneyAdmin):
    list_display = ("payment_id", "provider", "order", money_column("amount"), "status", "reason", "created_at")
    list_filter = ("status", "provider")
    list_select_related = ("order",)
    search_fields = ("payment_id", "order__id")
    ordering = ("-created_at",)
    action_form = NoteForm
    actions = ("mark_refunded",)

    @admin.action(description="Mark as refunded by other means", permissions=["decide"])
    def mark_refunded(self, request: HttpRequest, queryset: QuerySet[Payment]) -> None:
        if given := self._decided(request):
            self._each(request, queryset, lambda row: refunds.mark_refunded(row, staff=request.user, **given))


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("payment", "attempt", "amount", "status", "refund_id", "tries", "next_try_at", "created_at")
    list_filter = ("status",)
    list_select_related = ("payment",)
    search_fields = ("refund_id", "payment__payment_id")
    ordering = ("-created_at",)
