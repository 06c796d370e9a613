"""What the admin's pages of holds and of orders have in common."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from checkout.models import Hold, Order
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import moment_column, money_column
from flashsale.core.staff.links import link_to
from flashsale.core.staff.search import IndexedSearchMixin

# Fields of both pages that no column stores as it is shown.
SHARED_FIELDS = ("whole_id", "product_link", "unit_price_shown", "customer", "placed_at")


class ClaimAdmin(IndexedSearchMixin, BigTableAdmin):
    """Holds or orders: lists with the newest first, pages without internal columns."""

    list_filter_submit = True
    ordering = ("-created_at",)
    unit_price_shown = staticmethod(money_column("unit_price"))
    placed_at = staticmethod(moment_column("created_at", "placed at"))

    @admin.display(description="Whole id")
    def whole_id(self, claim: Hold | Order) -> str:
        return str(claim.pk)

    @admin.display(description="Product")
    def product_link(self, claim: Hold | Order) -> str:
        return link_to(claim.product)

    @admin.display(description="Customer")
    def customer(self, claim: Hold | Order) -> Any:
        """Link to the list of all that this customer has."""
        if not claim.customer_id:
            return "-"
        path = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        query = urlencode({"q": claim.customer_id})
        return format_html('<a class="text-link" href="{}?{}">{}</a>', path, query, claim.customer_id)
