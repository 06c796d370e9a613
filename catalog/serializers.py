"""Products as the API shows them."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog import sales
from catalog.availability import ProductView
from flashsale.core import money
from flashsale.core.rest.fields import MONEY, MomentField
from flashsale.core.rest.serializers import ResponseSerializer


class ProductOut(ResponseSerializer):
    """A product on sale, with the units that can be held as of the last commit."""

    id = serializers.IntegerField(source="product.id")
    name = serializers.CharField(source="product.name")
    description = serializers.CharField(source="product.description", help_text="May be empty.")
    price = serializers.SerializerMethodField(
        help_text="Of one unit, as a decimal string with the currency's decimals."
    )
    currency = serializers.CharField(source="product.currency", help_text="ISO 4217 code.")
    total_stock = serializers.IntegerField(source="stock.total", help_text="Units in all, sold ones included.")
    available_stock = serializers.IntegerField(help_text="Units that can be held now.")
    is_sold_out = serializers.SerializerMethodField(help_text="Nothing can be held now; units may come back.")
    sale_status = serializers.SerializerMethodField(help_text="The first of these that applies.")
    sale_starts_at = MomentField(
        source="product.sale_starts_at", allow_null=True, help_text="Null: it has always been on sale."
    )
    sale_ends_at = MomentField(source="product.sale_ends_at", allow_null=True, help_text="Null: the sale has no end.")
    max_per_hold = serializers.IntegerField(
        source="product.max_per_hold", help_text="The most units that one hold may have."
    )
    max_per_customer = serializers.IntegerField(
        source="product.max_per_customer",
        allow_null=True,
        help_text="The most units that one `customer_id` may have; null: no limit.",
    )
    updated_at = MomentField(source="product.updated_at", help_text="When staff last edited the product.")

    @extend_schema_field(MONEY)
    def get_price(self, view: ProductView) -> str:
        return money.render(view.product.price, view.product.currency)

    def get_is_sold_out(self, view: ProductView) -> bool:
        return view.is_sold_out

    @extend_schema_field({"type": "string", "enum": list(sales.SaleStatus.values)})
    def get_sale_status(self, view: ProductView) -> str:
        return view.sale_status


class ProductInEvent(ProductOut):
    """A product as events tell of it: without its description, which may be longer than an event."""

    description = None  # type: ignore[assignment]
