"""Money that providers report as taken."""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from checkout.models import PAYMENT_ID_LENGTH, Order
from flashsale.core import money
from payments.models.events import WebhookEvent
from payments.models.lengths import NOTE_LENGTH, PROVIDER_LENGTH

# A payment of which something has to be given back: all the rest, or what was asked for and is not given back yet.
REFUND_IS_DUE = Q(status="refund_due") | Q(refund_target__gt=F("refunded_amount"))


class PaymentQuerySet(models.QuerySet["Payment"]):
    def refund_due(self) -> "PaymentQuerySet":
        """Payments of which something has to be given back."""
        return self.filter(REFUND_IS_DUE)


class Payment(models.Model):
    """Money that a provider reports as taken.

    applied    -> refunded     what was given back reached the amount
    refund_due -> refunded     the same, for money that no units could be given for
    refunded   -> refund_due   a refund failed after the provider had taken it

    Of an applied payment, `refund_target` has to be given back in all; of one that is `refund_due`, its whole amount.
    It has no order when staff decided that the money belongs to none. `payments.payment_records` is the only writer of
    `status`, `refund_target` and `refunded_amount`.
    """

    class Status(models.TextChoices):
        APPLIED = "applied", "applied"
        REFUND_DUE = "refund_due", "refund due"
        REFUNDED = "refunded", "refunded"

    provider = models.CharField(max_length=PROVIDER_LENGTH)
    payment_id = models.CharField(
        max_length=PAYMENT_ID_LENGTH, help_text="The provider's id, or its event's id where it named no payment."
    )
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="payments")
    event = models.ForeignKey(WebhookEvent, on_delete=models.PROTECT, related_name="payments")
    amount = models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES)
    currency = models.CharField(max_length=money.CURRENCY_LENGTH)
    status = models.CharField(max_length=10, choices=Status.choices)
    reason = models.CharField(max_length=64, blank=True, help_text="Why it is due for refund, in a word.")
    refunded_amount = models.DecimalField(
        max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, default=Decimal(0)
    )
    refund_target = models.DecimalField(
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="How much has to be given back in all, while it is applied.",
    )
    refunded_by_other_means = models.DecimalField(
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="The part of the refunded amount that its provider does not know of.",
    )
    due_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when money is due back; empty: since it was taken."
    )
    created_at = models.DateTimeField()
    refunded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="+"
    )
    refunded_note = models.CharField(
        max_length=NOTE_LENGTH, blank=True, default="", db_default="", help_text="How staff gave it back."
    )

    objects = PaymentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="payment_is_known_once", fields=["provider", "payment_id"]),
            models.CheckConstraint(
                name="payment_status_is_known", condition=Q(status__in=["applied", "refund_due", "refunded"])
            ),
            models.CheckConstraint(name="payment_amount_is_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="payment_refunds_within_amount",
                condition=Q(refunded_amount__gte=0, refunded_amount__lte=F("amount")),
            ),
            models.CheckConstraint(
                name="payment_refunded_when_all_is_back",
                condition=Q(status="refunded", refunded_amount=F("amount"))
                | (~Q(status="refunded") & Q(refunded_amount__lt=F("amount"))),
            ),
            models.CheckConstraint(
                name="payment_refunded_by_staff_with_a_note",
                condition=Q(refunded_by__isnull=True) | ~Q(refunded_note=""),
            ),
            models.CheckConstraint(
                name="payment_refund_target_within_amount",
                condition=Q(refund_target__gte=0, refund_target__lte=F("amount")),
            ),
            models.CheckConstraint(
                name="payment_refunds_without_provider",
                condition=Q(refunded_by_other_means__gte=0, refunded_by_other_means__lte=F("refunded_amount")),
            ),
        ]
        indexes = [
            # Read by: staff, `refunds_due`, the metrics and automatic refunds (what must be refunded).
            models.Index(name="payment_with_refund_due", fields=["created_at"], condition=REFUND_IS_DUE),
            # Read by: staff (payments by second, the money of a day, the newest first).
            models.Index(name="payment_by_creation", fields=["created_at"]),
            # Read by: the back office (what went back, newest first).
            models.Index(name="payment_refunded", fields=["created_at"], condition=Q(status="refunded")),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id}: {money.written(self.amount, self.currency)}"

    @property
    def amount_due(self) -> Decimal:
        """What has to be given back at present, in units of its currency."""
        target = self.amount if self.status == self.Status.REFUND_DUE else self.refund_target
        return max(target - self.refunded_amount, Decimal(0))

    @property
    def amount_left(self) -> Decimal:
        """What was not given back and is not due for it, in units of its currency."""
        return self.amount - self.refunded_amount - self.amount_due

    @property
    def amount_to_mark(self) -> Decimal:
        """What staff record when they mark it as refunded: what is due, else all that is left, in its currency."""
        return self.amount_due or self.amount_left

    @property
    def is_refund_done(self) -> bool:
        """Whether all that had to be given back was, if anything had."""
        was_due = self.status != self.Status.APPLIED or self.refund_target > 0
        return was_due and not self.amount_due

    @property
    def amount_refunded_by_provider(self) -> Decimal:
        """What its provider gave back, in units of its currency."""
        return self.refunded_amount - self.refunded_by_other_means

    @property
    def refund_due_since(self) -> datetime:
        """Since when money is due back, if any is."""
        return self.due_since or self.created_at
