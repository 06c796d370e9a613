"""Products as the API shows them."""

from typing import Any

from rest_framework import serializers

from catalog import sales
from catalog.models import Product
from flashsale.core import money


class ProductOut(serializers.Serializer):
    """A product that was read with `ProductQuerySet.with_availability`."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    price = serializers.SerializerMethodField()
    currency = serializers.CharField()
    total_stock = serializers.IntegerField()
    available_stock = serializers.IntegerField()
    is_sold_out = serializers.SerializerMethodField()
    sale_status = serializers.SerializerMethodField()
    sale_starts_at = serializers.DateTimeField()
    sale_ends_at = serializers.DateTimeField()
    max_per_hold = serializers.IntegerField()
    max_per_customer = serializers.IntegerField()
    updated_at = serializers.DateTimeField()

    def get_price(self, product: Product) -> str:
        return money.render(product.price, product.currency)

    def get_is_sold_out(self, product: Any) -> bool:
        return product.available_stock <= 0

    def get_sale_status(self, product: Any) -> str:
        return sales.status_of(product, available=product.available_stock, now=product.read_at)
