"""Products as the API shows them, and as the back office adds, edits and counts them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog import sales
from catalog.availability import ProductView
from catalog.imports.fields import MAX_DESCRIPTION_LENGTH
from catalog.models import NAME_LENGTH, NOTE_LENGTH
from catalog.queue_columns import MAX_ADMISSION_RATE, QUEUE_LENGTH, Queue
from catalog.validators import IMAGE_URL_LENGTH, SKU_LENGTH
from flashsale.core import money
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.rest.fields import (
    MONEY,
    MomentField,
    StrictAmountField,
    StrictIntegerField,
    StrictMomentField,
    StrictTextField,
    TrimmedTextField,
)
from flashsale.core.rest.serializers import ClosedRequestSerializer, ResponseSerializer


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
    sku = serializers.CharField(
        source="product.sku",
        allow_null=True,
        help_text="What the shop itself calls it, unlike all others.",
    )
    image_url = serializers.CharField(
        source="product.image_url", allow_null=True, help_text="Where its picture is, over https or http; null: none."
    )
    queue = serializers.SerializerMethodField(
        help_text="On: buyers wait in a queue before they can hold units, and are admitted in the order of a draw."
    )
    queue_opens_at = MomentField(
        source="product.queue_opens_at",
        allow_null=True,
        help_text="When the queue opens, at least 5 minutes before the sale starts; null: from when it is switched on.",
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

    @extend_schema_field({"type": "string", "enum": list(Queue.values)})
    def get_queue(self, view: ProductView) -> str:
        return view.product.queue


class BackofficeProductOut(ProductOut):
    """A product, published or not, with what only its shop sees."""

    is_published = serializers.BooleanField(source="product.is_published", help_text="Whether customers can see it.")
    reserved = serializers.IntegerField(source="reserved_units", help_text="Units of holds and unpaid orders.")
    sold = serializers.IntegerField(source="stock.sold", help_text="Units of paid orders, less those put back.")
    paused_at = MomentField(source="product.paused_at", allow_null=True, help_text="Null: it is not paused.")
    admission_rate_max = serializers.IntegerField(
        source="product.admission_rate_max",
        allow_null=True,
        help_text="The most tickets that its queue admits in a second; null: as many as the shop can take.",
    )
    created_at = MomentField(source="product.created_at")


class ProductInEvent(BackofficeProductOut):
    """A product as events tell of it: without its description, which may be longer than an event."""

    description = None  # type: ignore[assignment]


class CurrencyField(StrictTextField):
    """A code of ISO 4217, also in small letters."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).upper()


class ProductChanges(ClosedRequestSerializer):
    """Columns of a product that an edit changes; `catalog.products.EDITABLE` has their names."""

    name = TrimmedTextField(max_length=NAME_LENGTH, required=False)
    sku = StrictTextField(max_length=SKU_LENGTH, required=False, allow_null=True)
    description = TrimmedTextField(max_length=MAX_DESCRIPTION_LENGTH, allow_blank=True, required=False)
    image_url = StrictTextField(max_length=IMAGE_URL_LENGTH, required=False, allow_null=True)
    price = StrictAmountField(required=False)
    currency = CurrencyField(max_length=money.CURRENCY_LENGTH, required=False)
    max_per_hold = StrictIntegerField(min_value=1, required=False)
    max_per_customer = StrictIntegerField(min_value=1, required=False, allow_null=True)
    sale_starts_at = StrictMomentField(required=False, allow_null=True)
    sale_ends_at = StrictMomentField(required=False, allow_null=True)
    queue = StrictTextField(max_length=QUEUE_LENGTH, required=False)
    queue_opens_at = StrictMomentField(required=False, allow_null=True)
    admission_rate_max = StrictIntegerField(min_value=1, max_value=MAX_ADMISSION_RATE, required=False, allow_null=True)


class NewProduct(ProductChanges):
    """A product that is added: what an edit may change, and its opening stock in units."""

    name = TrimmedTextField(max_length=NAME_LENGTH)
    price = StrictAmountField()
    currency = CurrencyField(max_length=money.CURRENCY_LENGTH)
    stock = StrictIntegerField(min_value=0)


class Note(ClosedRequestSerializer):
    """Why a product is published, withdrawn, paused or resumed."""

    note = StrictTextField(max_length=NOTE_LENGTH, required=False)


class NewStockAdjustment(ClosedRequestSerializer):
    """A change of a product's total, and the total that it starts from."""

    delta = StrictIntegerField(min_value=-MAX_INTEGER)
    reason = TrimmedTextField(max_length=NOTE_LENGTH)
    expected_total = StrictIntegerField(min_value=0, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        members: dict[str, Any] = super().to_internal_value(data)
        if members["delta"] == 0:
            raise serializers.ValidationError({"delta": ["A change of 0 units changes nothing."]}, code="zero")
        return members


class StockAdjustmentOut(ResponseSerializer):
    """A change of a product's total, with the counters after it."""

    id = serializers.IntegerField(source="adjustment.id")
    product_id = serializers.IntegerField(source="adjustment.product_id")
    delta = serializers.IntegerField(source="adjustment.delta", help_text="Units added; negative: taken away.")
    reason = serializers.CharField(source="adjustment.reason")
    total_before = serializers.IntegerField(source="adjustment.total_before")
    total_after = serializers.IntegerField(source="adjustment.total_after")
    available_stock = serializers.IntegerField(source="view.available_stock", help_text="Units that can be held now.")
    reserved = serializers.IntegerField(
        source="view.reserved_units", help_text="Units that holds and orders set aside."
    )
    sold = serializers.IntegerField(source="view.stock.sold")
    made_by = serializers.CharField(source="adjustment.author")
    made_at = MomentField(source="adjustment.made_at")
