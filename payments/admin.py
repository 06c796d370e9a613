"""Webhook events and payments for staff: to look at."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from flashsale.core.admin import ReadOnlyAdmin, money_column
from payments import inbox
from payments.models import Payment, WebhookEvent


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "provider", "kind", "status", "reason", "payment_ref", "attempts", "received_at")
    list_filter = ("status", "kind", "provider")
    search_fields = ("event_id", "payment_ref", "order_ref")
    ordering = ("-received_at",)
    exclude = ("body",)
    readonly_fields = ("raw_body",)
    actions = ("retry",)

    @admin.action(description="Retry dead events", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        for event in queryset:
            try:
                result = inbox.retry(event.pk)
            except inbox.NotDead as refusal:
                self.message_user(request, f"{event.event_id}: {refusal}", messages.WARNING)
            else:
                self.message_user(request, f"{event.event_id}: {result.get_status_display()}")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_webhookevent")

    @admin.display(description="Body")
    def raw_body(self, event: WebhookEvent) -> str:
        return "(purged)" if event.body is None else bytes(event.body).decode(errors="replace")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("payment_id", "provider", "order", money_column("amount"), "status", "reason", "created_at")
    list_filter = ("status", "provider")
    list_select_related = ("order",)
    search_fields = ("payment_id", "order__id")
    ordering = ("-created_at",)
