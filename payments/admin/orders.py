"""Orders for staff, who also refund them: checkout's page of orders with what only payments know of."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from checkout.admin import OrderAdmin
from checkout.models import Order
from payments import refunds
from payments.admin import refunding
from payments.admin.filters import OrderRefundState

# Checkout registers its own page first, when it is imported above.
admin.site.unregister(Order)


@admin.register(Order)
class RefundableOrderAdmin(OrderAdmin):
    actions = (*OrderAdmin.actions, "refund")
    page_actions = (*OrderAdmin.page_actions, "refund")
    list_filter = (OrderAdmin.list_filter[0], OrderRefundState, *OrderAdmin.list_filter[1:])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """Read the payments with the orders: what was paid and given back is theirs to say."""
        return super().get_queryset(request).prefetch_related(refunding.WITH_PAYMENTS)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Say whether this member of staff may refund orders: it takes the permission to change payments."""
        return request.user.has_perm("payments.change_payment")

    def is_offered(self, action: str, row: Order) -> bool:
        return row.status == Order.Status.PAID if action == "refund" else super().is_offered(action, row)

    @admin.action(description="Refund", permissions=["refund"])
    def refund(self, request: HttpRequest, queryset: QuerySet[Order]) -> TemplateResponse | None:
        return refunding.ask_and_refund(self, request, queryset, payment_of=refunds.bought_with)
