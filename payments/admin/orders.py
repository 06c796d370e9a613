"""Orders for staff, who also refund them: checkout's page of orders with what only payments know of."""

from collections.abc import Iterable

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from checkout.admin import OrderAdmin
from checkout.models import Order
from flashsale.core.staff.confirmed_actions import OptionalNoteForm
from payments import refunds
from payments.admin import asking_now, look_ups, refunding
from payments.admin.filters import OrderRefundState

# Checkout registers its own page first, when it is imported above.
admin.site.unregister(Order)


@admin.register(Order)
class RefundableOrderAdmin(OrderAdmin):
    actions = (*OrderAdmin.actions, "refund", "ask_provider")
    page_actions = (*OrderAdmin.page_actions, "refund", "ask_provider")
    list_filter = (OrderAdmin.list_filter[0], OrderRefundState, *OrderAdmin.list_filter[1:])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """Read the payments with the orders: what was paid and given back is theirs to say."""
        return super().get_queryset(request).prefetch_related(refunding.WITH_PAYMENTS)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Say whether this member of staff may refund orders: it takes the permission to change payments."""
        return request.user.has_perm("payments.change_payment")

    def look_ups(self, text: str) -> Iterable[QuerySet[Order] | Q]:
        yield from super().look_ups(text)
        yield Order.objects.filter(pk__in=list(look_ups.attempts_at_provider(text).values_list("order_id", flat=True)))

    def is_offered(self, action: str, row: Order) -> bool:
        if action == "ask_provider":
            return asking_now.is_possible(row)
        return row.status == Order.Status.PAID if action == "refund" else super().is_offered(action, row)

    @admin.action(description="Refund", permissions=["refund"])
    def refund(self, request: HttpRequest, queryset: QuerySet[Order]) -> TemplateResponse | None:
        return refunding.ask_and_refund(self, request, queryset, payment_of=refunds.bought_with)

    @admin.action(description="Ask the provider now", permissions=["decide"])
    def ask_provider(self, request: HttpRequest, queryset: QuerySet[Order]) -> TemplateResponse | None:
        if queryset[: asking_now.MAX_ORDERS + 1].count() > asking_now.MAX_ORDERS:
            most = f"At most {asking_now.MAX_ORDERS} orders are asked about at once. Nothing was asked."
            self.message_user(request, most, messages.WARNING)
            return None
        return self.confirm_and_run(
            request, queryset, action="ask_provider", verb=asking_now.ask, describe=asking_now.describe,
            form_class=OptionalNoteForm, effect=lambda _: asking_now.EFFECT,
        )  # fmt: skip
