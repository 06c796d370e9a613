"""Products as the API shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog import sales
from catalog.models import Product
from flashsale.core import money
from flashsale.core.rest.fields import MONEY
from flashsale.core.rest.serializers import ResponseSerializer


class ProductOut(ResponseSerializer):
    """A product on sale, with what is left of it as of the last commit."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField(help_text="May be empty.")
    price = serializers.SerializerMethodField(
        help_text="Of one unit, as a decimal string with the currency's decimals."
    )
    currency = serializers.CharField(help_text="ISO 4217 code.")
    total_stock = serializers.IntegerField(help_text="Units in all, sold ones included.")
    available_stock = serializers.IntegerField(help_text="Units that can be held now.")
    is_sold_out = serializers.SerializerMethodField(help_text="Nothing can be held now; units may come back.")
    sale_status = serializers.SerializerMethodField(help_text="The first of these that applies.")
    sale_starts_at = serializers.DateTimeField(allow_null=True, help_text="Null: it has always been on sale.")
    sale_ends_at = serializers.DateTimeField(allow_null=True, help_text="Null: the sale has no end.")
    max_per_hold = serializers.IntegerField(help_text="The most units that one hold may have.")
    max_per_customer = serializers.IntegerField(
        allow_null=True, help_text="The most units that one `customer_id` may have; null: no limit."
    )
    updated_at = serializers.DateTimeField(help_text="When staff last edited the product.")

    @extend_schema_field(MONEY)
    def get_price(self, product: Product) -> str:
        return money.render(product.price, product.currency)

    def get_is_sold_out(self, product: Any) -> bool:
        return product.available_stock <= 0

    @extend_schema_field({"type": "string", "enum": list(sales.SaleStatus.values)})
    def get_sale_status(self, product: Any) -> str:
        return sales.status_of(product, available=product.available_stock, now=product.read_at)
