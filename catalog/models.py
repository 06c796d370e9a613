"""Products, and the counters of their stock."""

from decimal import Decimal
from typing import Self

import pghistory
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from catalog import queue_columns
from catalog.queue_columns import MAX_ADMISSION_RATE, QUEUE_LENGTH, Queue
from catalog.validators import (
    IMAGE_URL_LENGTH,
    SKU_LENGTH,
    STORABLE_IMAGE_URL,
    STORABLE_SKU,
    WRONG_IMAGE_URL,
    WRONG_SKU,
    validate_image_url,
    validate_sku,
)
from flashsale.core import acting, moments, money

DEFAULT_MAX_PER_HOLD = 10
NAME_LENGTH = 200
NOTE_LENGTH = 500
ENDS_BEFORE_IT_STARTS = "The sale must end after it starts."


class ProductQuerySet(models.QuerySet["Product"]):
    def published(self) -> Self:
        return self.filter(is_published=True)


@pghistory.track(exclude=["created_at", "updated_at"])
class Product(models.Model):
    """A product: changed rarely, by staff. Its counters are in `Stock`, which changes all the time.

    Triggers record every version in `ProductEvent`, also of changes made outside this program; `StockAdjustment`
    records the changes of the stock's total.
    """

    name = models.CharField(max_length=NAME_LENGTH)
    description = models.TextField(blank=True)
    sku = models.CharField(
        "SKU", max_length=SKU_LENGTH, null=True, blank=True, validators=[validate_sku],
        help_text="What the shop itself calls it; no two products have the same.",
    )  # fmt: skip
    image_url = models.CharField(
        "image address", max_length=IMAGE_URL_LENGTH, null=True, blank=True, validators=[validate_image_url],
        help_text="Where its picture is: https://... A page that is read over https shows no picture from http://.",
    )  # fmt: skip
    price = models.DecimalField(
        max_digits=14, decimal_places=money.DECIMAL_PLACES, validators=[MinValueValidator(Decimal("0.001"))]
    )
    currency = models.CharField(max_length=money.CURRENCY_LENGTH, help_text="ISO 4217 code, such as USD.")
    is_published = models.BooleanField(default=False, help_text="Unpublished products are not found by customers.")
    sale_starts_at = models.DateTimeField(null=True, blank=True, validators=[moments.validate])
    sale_ends_at = models.DateTimeField(null=True, blank=True, validators=[moments.validate])
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    max_per_hold = models.PositiveIntegerField(default=DEFAULT_MAX_PER_HOLD, validators=[MinValueValidator(1)])
    max_per_customer = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    queue = models.CharField(
        max_length=QUEUE_LENGTH, choices=Queue, default=Queue.OFF, db_default=Queue.OFF,
        help_text="On: buyers wait in a queue and are admitted in the order of a draw. It needs a start of the sale.",
    )  # fmt: skip
    queue_opens_at = models.DateTimeField(
        null=True, blank=True, validators=[moments.validate],
        help_text="At least 5 minutes before the sale starts; none: open from the moment it is switched on.",
    )  # fmt: skip
    admission_rate_max = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MAX_ADMISSION_RATE)],
        help_text="Buyers a second; none: as many as the shop, its payments and its stock can take.",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        permissions = [("pause_product", "Can pause and resume a sale")]
        constraints = [
            models.CheckConstraint(
                name="product_price_is_positive",
                condition=Q(price__gt=0),
                violation_error_message="The price must be more than 0.",
            ),
            models.CheckConstraint(
                name="product_currency_is_a_code",
                condition=Q(currency__regex=r"^[A-Z]{3}$"),
                violation_error_message="The currency must be an ISO 4217 code, such as USD.",
            ),
            models.UniqueConstraint(
                name="product_sku_is_unique",
                fields=["sku"],
                condition=Q(sku__isnull=False),
                violation_error_code="unique",
                violation_error_message="Another product has this SKU.",
            ),
            models.CheckConstraint(
                name="product_sku_is_printable",
                condition=Q(sku__regex=STORABLE_SKU),
                violation_error_message=WRONG_SKU,
            ),
            models.CheckConstraint(
                name="product_image_url_is_absolute",
                condition=Q(image_url__iregex=STORABLE_IMAGE_URL),
                violation_error_message=WRONG_IMAGE_URL,
            ),
            models.CheckConstraint(
                name="product_max_per_hold_is_positive",
                condition=Q(max_per_hold__gte=1),
                violation_error_message="A hold must be allowed at least 1 unit.",
            ),
            models.CheckConstraint(
                name="product_max_per_customer_is_positive",
                condition=Q(max_per_customer__gte=1),
                violation_error_message="A customer must be allowed at least 1 unit.",
            ),
            models.CheckConstraint(
                name="product_sale_starts_before_it_ends",
                condition=Q(sale_starts_at__lt=F("sale_ends_at")),
                violation_error_message=ENDS_BEFORE_IT_STARTS,
            ),
            models.CheckConstraint(
                name="product_sale_starts_at_is_in_range",
                condition=Q(sale_starts_at__gte=moments.FIRST, sale_starts_at__lt=moments.END),
                violation_error_message=f"Start of the sale: {moments.OUT_OF_RANGE}",
            ),
            models.CheckConstraint(
                name="product_sale_ends_at_is_in_range",
                condition=Q(sale_ends_at__gte=moments.FIRST, sale_ends_at__lt=moments.END),
                violation_error_message=f"End of the sale: {moments.OUT_OF_RANGE}",
            ),
            *queue_columns.CONSTRAINTS,
        ]
        indexes = [
            # Read by: GET /products, page by page.
            models.Index(name="product_published", fields=["id"], condition=Q(is_published=True)),
            # Read by: web processes (which queues are in progress, every second).
            models.Index(name="product_with_queue", fields=["id"], condition=Q(queue="on")),
            # Read by: the back office (products, newest first; the published ones, and the others).
            models.Index(name="product_by_creation", fields=["created_at"]),
            models.Index(name="product_published_by_creation", fields=["is_published", "created_at"]),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise `ValidationError` for an unknown currency, a price too precise for it, a sale that ends too early, a
        queue without a start of the sale or open too late.

        An empty SKU or image address becomes None.
        """
        self.currency = self.currency.upper()
        self.sku, self.image_url = self.sku or None, self.image_url or None
        errors = dict(
            queue_columns.errors_of(queue=self.queue, opens_at=self.queue_opens_at, starts_at=self.sale_starts_at)
        )
        if not money.is_currency(self.currency):
            shown = self.currency if self.currency.isalnum() and len(self.currency) <= money.CURRENCY_LENGTH else "This"
            errors["currency"] = f"{shown} is not an ISO 4217 currency."
        elif self.price is not None and not money.fits(self.price, self.currency):
            decimals = money.exponent_of(self.currency)
            errors["price"] = f"A price in {self.currency} has at most {decimals} decimals."
        if self.sale_starts_at and self.sale_ends_at and self.sale_starts_at >= self.sale_ends_at:
            errors["sale_ends_at"] = ENDS_BEFORE_IT_STARTS
        if errors:
            raise ValidationError(errors)


class Stock(models.Model):
    """The counters of one product, in units; only `catalog.inventory` writes them.

    No foreign key references this table: PostgreSQL would lock the hot row (FOR KEY SHARE) on every insert that does.
    `reserved` = units of active holds and of orders pending payment; `sold` = units of paid orders,
    less those put back after a refund.
    """

    product = models.OneToOneField(Product, on_delete=models.PROTECT, primary_key=True, related_name="stock")
    total = models.IntegerField(default=0)
    reserved = models.IntegerField(default=0)
    sold = models.IntegerField(default=0)
    version = models.PositiveBigIntegerField(default=0, help_text="Counts the changes of the counters.")

    class Meta:
        verbose_name_plural = "stock"
        constraints = [
            models.CheckConstraint(name="stock_reserved_is_not_negative", condition=Q(reserved__gte=0)),
            models.CheckConstraint(name="stock_sold_is_not_negative", condition=Q(sold__gte=0)),
            models.CheckConstraint(name="stock_is_not_oversold", condition=Q(total__gte=F("reserved") + F("sold"))),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.reserved} reserved and {self.sold} sold of {self.total}"

    @property
    def free(self) -> int:
        """Units neither reserved nor sold; units of overdue holds and orders are still reserved."""
        return self.total - self.reserved - self.sold


class StockAdjustment(models.Model):
    """One change of a product's total by staff or an API token: by how many units, why, by whom and when."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="stock_adjustments")
    delta = models.IntegerField(help_text="Units to add; negative to take away.")
    reason = models.CharField(max_length=NOTE_LENGTH)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="+"
    )
    made_by_token = models.CharField(
        max_length=acting.TOKEN_NAME_LENGTH, blank=True, default="", db_default="", help_text="The API token's name."
    )
    total_after = models.PositiveIntegerField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(name="adjustment_changes_something", condition=~Q(delta=0)),
            models.CheckConstraint(name="adjustment_has_a_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.delta:+d}: {self.reason}"

    @property
    def author(self) -> str:
        """Who made it, in words; "" for a change outside the admin and the API."""
        return acting.author(self.made_by, self.made_by_token)

    @property
    def total_before(self) -> int:
        """The total, in units, that this changed."""
        return self.total_after - self.delta


class StockAnnouncement(models.Model):
    """What the shop's back end was told last of a product that was sold out at some time: whether it still is.

    `catalog.stock_announcements` is the only writer.
    """

    product = models.OneToOneField(Product, on_delete=models.PROTECT, primary_key=True, related_name="+")
    is_sold_out = models.BooleanField()
    back_in_stock_at = models.DateTimeField(null=True, help_text="When it was last announced to be back in stock.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.product_id}: {'sold out' if self.is_sold_out else 'back in stock'}"
