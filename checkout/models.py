"""Holds, orders, the payment ids that are proved to belong to orders, and the numbers of refused claims."""

import uuid
from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import Exact

from catalog.models import Product
from catalog.overdue import Time
from flashsale.core import identifiers, money

CUSTOMER_ID_LENGTH = 64
PAYMENT_ID_LENGTH = 255
CLIENT_LENGTH = 32
IDEMPOTENCY_KEY_LENGTH = 255
BODY_HASH_LENGTH = 64
REFUSAL_CODE_LENGTH = 64
MAX_METADATA_MEMBERS = 10
METADATA_NAME_LENGTH, METADATA_TEXT_LENGTH = 40, 200


class IdempotentCreation(models.Model):
    """What a request with an Idempotency-Key created; rows created without one have no key.

    Read by `checkout.idempotency`.
    """

    client = models.CharField(
        max_length=CLIENT_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text="The prefix of the API token that the key belongs to; empty: anonymous callers.",
    )
    idempotency_key = models.CharField(max_length=IDEMPOTENCY_KEY_LENGTH, null=True, blank=True)
    body_hash = models.CharField(max_length=BODY_HASH_LENGTH, blank=True, default="", db_default="")

    class Meta:
        abstract = True


def _name_of(claim: "Hold | Order") -> str:
    """Return what people call a hold or an order: short id, units, product and customer."""
    parts = [identifiers.short(claim.pk), f"{claim.quantity} x {claim.product.name}", claim.customer_id]
    return ", ".join(part for part in parts if part)


class HoldQuerySet(models.QuerySet["Hold"]):
    def overdue(self, at: Time) -> "HoldQuerySet":
        """Active holds past their deadline at `at`."""
        return self.filter(status=Hold.Status.ACTIVE, expires_at__lte=at)


class Hold(IdempotentCreation):
    """Units set aside for one buyer until `expires_at`.

    active -> converted   an order was made of it
           -> released    the buyer or staff gave it up
           -> expired     its deadline passed

    It leaves `active` exactly once. `checkout.holds.ending` is the only writer of `status`.
    """

    class Status(models.TextChoices):
        ACTIVE = "active"
        CONVERTED = "converted"
        RELEASED = "released"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="holds", db_index=False)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=14, decimal_places=money.DECIMAL_PLACES)
    currency = models.CharField(max_length=money.CURRENCY_LENGTH)
    customer_id = models.CharField(max_length=CUSTOMER_ID_LENGTH, blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ticket_id = models.UUIDField(null=True, blank=True, help_text="The place in the queue that it took, if any.")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="hold_is_made_once",
                fields=["client", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
            ),
            # Read by: claims with a ticket (whether it is used).
            models.UniqueConstraint(
                name="hold_is_one_of_its_ticket",
                fields=["ticket_id"],
                condition=Q(ticket_id__isnull=False, status__in=["active", "converted"]),
            ),
            models.CheckConstraint(name="hold_quantity_is_positive", condition=Q(quantity__gte=1)),
            models.CheckConstraint(name="hold_expires_after_creation", condition=Q(expires_at__gt=F("created_at"))),
            models.CheckConstraint(
                name="hold_status_is_known", condition=Q(status__in=["active", "converted", "released", "expired"])
            ),
            models.CheckConstraint(
                name="hold_ended_when_not_active",
                condition=Q(status="active", ended_at__isnull=True) | (~Q(status="active") & Q(ended_at__isnull=False)),
            ),
        ]
        indexes = [
            # Read by: the sweeper (which holds are overdue, oldest first).
            models.Index(name="hold_active_by_deadline", fields=["expires_at"], condition=Q(status="active")),
            # Read by: availability and claims (overdue units of a product), the audit, the product's own page.
            models.Index(
                name="hold_active_by_product",
                fields=["product", "expires_at"],
                include=["quantity"],
                condition=Q(status="active"),
            ),
            # Read by: the limit per customer.
            models.Index(
                name="hold_active_by_customer",
                fields=["product", "customer_id"],
                condition=Q(status="active") & ~Q(customer_id=""),
            ),
            # Read by: staff (holds a minute, newest first).
            models.Index(name="hold_by_creation", fields=["created_at"]),
            # Read by: staff (the holds of a customer and of a product, newest first). Each adds about a tenth to what
            # PostgreSQL does for a hold; without them one click reads a million rows in the middle of a sale.
            models.Index(name="hold_by_customer", fields=["customer_id", "created_at"], condition=~Q(customer_id="")),
            models.Index(name="hold_by_product", fields=["product", "created_at"]),
            # Read by: the purge of old holds that never became orders.
            models.Index(
                name="hold_ended_without_order", fields=["ended_at"], condition=Q(status__in=["released", "expired"])
            ),
        ]

    def __str__(self) -> str:
        return _name_of(self)

    def status_at(self, now: datetime) -> "Hold.Status":
        """Return the status that answers show at `now`: an overdue hold is expired, swept or not."""
        is_overdue = self.status == self.Status.ACTIVE and self.expires_at <= now
        return self.Status.EXPIRED if is_overdue else self.Status(self.status)


class OrderQuerySet(models.QuerySet["Order"]):
    def overdue(self, at: Time) -> "OrderQuerySet":
        """Orders that are pending past their payment window at `at`."""
        return self.filter(status=Order.Status.PENDING_PAYMENT, payment_due_at__lte=at)


class Order(IdempotentCreation):
    """A hold that its buyer decided to pay for.

    pending_payment -> paid        the payment succeeded                         reserved -> sold
                    -> cancelled   the payment failed, or buyer or staff cancel   reserved -> available
                    -> expired     the payment window is over                     reserved -> available
    expired         -> paid        a late success, units and limit allow it       available -> sold

    Paid and cancelled are final. Of a paid order's units, staff may put `restocked_units` back on sale. Only
    `checkout.orders.transitions` writes `status`, `refund`, `refunded_amount` and `restocked_units`.
    """

    class Status(models.TextChoices):
        PENDING_PAYMENT = "pending_payment"
        PAID = "paid"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    class Refund(models.TextChoices):
        NONE = "", "none"
        DUE = "due"
        DONE = "done"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    hold = models.OneToOneField(Hold, on_delete=models.PROTECT, related_name="order")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="orders", db_index=False)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=14, decimal_places=money.DECIMAL_PLACES)
    total_amount = models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES)
    currency = models.CharField(max_length=money.CURRENCY_LENGTH)
    customer_id = models.CharField(max_length=CUSTOMER_ID_LENGTH, blank=True)
    status = models.CharField(max_length=15, choices=Status.choices, default=Status.PENDING_PAYMENT)
    payment_id = models.CharField(
        max_length=PAYMENT_ID_LENGTH, null=True, blank=True, help_text="The one that is proved, else the buyer's claim."
    )
    refund = models.CharField(max_length=4, choices=Refund.choices, default=Refund.NONE, blank=True)
    refunded_amount = models.DecimalField(
        max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, default=Decimal(0)
    )
    restocked_units = models.IntegerField(
        "units put back", default=0, db_default=0, help_text="Units that staff put back on sale, after a refund."
    )
    metadata = models.JSONField(default=dict, db_default={}, blank=True, help_text="Texts of the client, by name.")
    created_at = models.DateTimeField()
    payment_due_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="When it was cancelled or expired.")

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="order_is_made_once",
                fields=["client", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(name="order_quantity_is_positive", condition=Q(quantity__gte=1)),
            models.CheckConstraint(
                name="order_total_is_price_times_quantity",
                condition=Q(total_amount=F("unit_price") * F("quantity")),
            ),
            models.CheckConstraint(
                name="order_status_is_known",
                condition=Q(status__in=["pending_payment", "paid", "cancelled", "expired"]),
            ),
            models.CheckConstraint(
                name="order_paid_at_when_paid",
                condition=Q(status="paid", paid_at__isnull=False) | (~Q(status="paid") & Q(paid_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="order_closed_at_when_cancelled_or_expired",
                condition=Q(status="pending_payment", closed_at__isnull=True)
                | Q(status__in=["cancelled", "expired"], closed_at__isnull=False)
                | ~Q(status__in=["pending_payment", "cancelled", "expired"]),
            ),
            models.CheckConstraint(
                name="order_payment_window_is_positive", condition=Q(payment_due_at__gt=F("created_at"))
            ),
            models.CheckConstraint(name="order_refunds_are_not_negative", condition=Q(refunded_amount__gte=0)),
            models.CheckConstraint(name="order_refund_is_known", condition=Q(refund__in=["", "due", "done"])),
            models.CheckConstraint(name="order_payment_id_is_not_empty", condition=~Q(payment_id="")),
            models.CheckConstraint(
                name="order_metadata_is_an_object",
                condition=Exact(Func("metadata", function="jsonb_typeof", output_field=models.TextField()), "object"),
            ),
            models.CheckConstraint(
                name="order_restocks_units_that_it_sold",
                condition=Q(restocked_units=0)
                | Q(status="paid", restocked_units__gte=0, restocked_units__lte=F("quantity")),
            ),
        ]
        indexes = [
            # Read by: the sweeper (which orders are overdue, oldest first).
            models.Index(
                name="order_pending_by_deadline", fields=["payment_due_at"], condition=Q(status="pending_payment")
            ),
            # Read by: availability and claims (overdue units of a product) and the audit.
            models.Index(
                name="order_pending_by_product",
                fields=["product", "payment_due_at"],
                include=["quantity"],
                condition=Q(status="pending_payment"),
            ),
            # Read by: staff (orders a minute, newest first).
            models.Index(name="order_by_creation", fields=["created_at"]),
            # Read by: staff (the orders of a customer and of a product, newest first).
            models.Index(name="order_by_customer", fields=["customer_id", "created_at"], condition=~Q(customer_id="")),
            models.Index(name="order_by_product", fields=["product", "created_at"]),
            # Read by: staff (orders whose money is due for refund, newest first).
            models.Index(name="order_refund_due", fields=["created_at"], condition=Q(refund="due")),
            # Read by: the back office (orders whose money went back; those that ended unpaid), newest first.
            models.Index(name="order_refund_done", fields=["created_at"], condition=Q(refund="done")),
            models.Index(
                name="order_closed_by_status",
                fields=["status", "created_at"],
                condition=Q(status__in=["cancelled", "expired"]),
            ),
            # Read by: staff (search, and which orders claim the payment of an event).
            models.Index(name="order_by_payment_id", fields=["payment_id"], condition=Q(payment_id__isnull=False)),
            # Read by: the audit (units sold).
            models.Index(
                name="order_sold_by_product",
                fields=["product"],
                include=["quantity", "restocked_units"],
                condition=Q(status="paid"),
            ),
            # Read by: the limit per customer.
            models.Index(
                name="order_counted_by_customer",
                fields=["product", "customer_id"],
                condition=Q(status__in=["pending_payment", "paid"]) & ~Q(customer_id=""),
            ),
        ]

    def __str__(self) -> str:
        return _name_of(self)

    def status_at(self, now: datetime) -> "Order.Status":
        """Return the status that answers show at `now`: an overdue order is expired, swept or not."""
        is_overdue = self.status == self.Status.PENDING_PAYMENT and self.payment_due_at <= now
        return self.Status.EXPIRED if is_overdue else self.Status(self.status)


class ProvedPaymentId(models.Model):
    """A provider's payment id that is proved to pay for an order; an order may have several.

    attempt   the shop made the payment for the order at its provider
    event     a provider's event that names the order brought it
    token     an API token with the scope `payments:claim` placed the order with it

    `checkout.proved_payments` is the only writer.
    """

    class By(models.TextChoices):
        ATTEMPT = "attempt"
        EVENT = "event"
        TOKEN = "token"  # noqa: S105  it is a word

    payment_id = models.CharField(max_length=PAYMENT_ID_LENGTH, primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="proved_payment_ids", db_index=False)
    proved_by = models.CharField(max_length=8, choices=By.choices)
    proved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="proved_payment_id_is_not_empty", condition=~Q(payment_id="")),
            models.CheckConstraint(name="proved_by_is_known", condition=Q(proved_by__in=["attempt", "event", "token"])),
        ]
        indexes = [
            # Read by: failures of a payment (which ids are the order's own), and the order's page.
            models.Index(name="proved_payment_id_by_order", fields=["order"]),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id}, proved by {self.proved_by}"


class RefusalCount(models.Model):
    """How many claims for a product were refused with a code, in a period that begins at `began_at`.

    Periods are seconds; old ones are merged into minutes. `checkout.refusal_counts` is the only writer.
    """

    SECOND, MINUTE = 1, 60

    # Not a constraint: it would lock the product's row, and a product's deletion must not stop the counting.
    product = models.ForeignKey(
        Product, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    code = models.CharField(max_length=REFUSAL_CODE_LENGTH)
    began_at = models.DateTimeField()
    seconds = models.PositiveSmallIntegerField(help_text="The length of the period.")
    claims = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            # Its index is read by the statistics of a product, too.
            models.UniqueConstraint(name="refusal_count_is_one", fields=["product", "seconds", "began_at", "code"]),
            models.CheckConstraint(name="refusal_count_period_is_known", condition=Q(seconds__in=[1, 60])),
        ]
        indexes = [
            # Read by: staff (refusals by second and by minute), and the task that merges and deletes old rows.
            models.Index(name="refusal_count_by_time", fields=["seconds", "began_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.claims} of product {self.product_id}, {self.code}"
