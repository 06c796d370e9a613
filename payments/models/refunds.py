"""Refunds: what was decided, and the attempts to give money back through its provider."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from flashsale.core import acting, money
from flashsale.core.wording import units
from payments.models.lengths import NOTE_LENGTH, REFUND_ID_LENGTH
from payments.models.payments import Payment


class RefundRequest(models.Model):
    """A decision to refund a payment, whole or in part, to put units of its order back on sale, or both.

    `by_other_means`: the money had been given back, and the provider was not asked. `payments.refunds` makes it and
    nothing changes it.
    """

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refund_requests")
    amount = models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES)
    restocked_units = models.PositiveIntegerField(default=0)
    by_other_means = models.BooleanField(default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="+"
    )
    requested_by_token = models.CharField(
        max_length=acting.TOKEN_NAME_LENGTH, blank=True, default="", db_default="", help_text="The API token's name."
    )
    note = models.CharField(max_length=NOTE_LENGTH)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="refund_request_amount_is_not_negative", condition=Q(amount__gte=0)),
            models.CheckConstraint(
                name="refund_request_asks_for_something", condition=Q(amount__gt=0) | Q(restocked_units__gt=0)
            ),
            models.CheckConstraint(name="refund_request_has_a_note", condition=~Q(note="")),
        ]

    def __str__(self) -> str:
        amount = money.written(self.amount, self.payment.currency)
        parts = [f"{amount} recorded as given back" if self.by_other_means else f"refund of {amount} requested"]
        parts = parts if self.amount else []
        if self.restocked_units:
            parts.append(f"{units(self.restocked_units)} put back on sale")
        return ", ".join(parts)

    @property
    def author(self) -> str:
        """Who made it, in words: an account or an API token."""
        return acting.author(self.requested_by, self.requested_by_token)


class Refund(models.Model):
    """One attempt to give a payment back through its provider.

    sent     -> accepted   the provider gives the money back, or had done so already
             -> refused    definitely refused, nothing was given back; another attempt may follow
    accepted -> failed     the money could not be delivered after all
    sent     -> failed     the same, when the event about it arrives before the answer

    `attempt` is null for a refund that this shop did not send; of those only failures are stored.
    `payments.refunds.attempts` and `payments.refunds.recording` are the only writers. An attempt is committed as `sent`
    before anything is sent. Before it is sent again the provider's own list is consulted. When that does not show the
    attempt, it is sent with the same idempotency key, so that a repeated request is never refunded twice. It gets
    another key when the provider has stored a server error for this one, or may have forgotten it.
    """

    class Status(models.TextChoices):
        SENT = "sent", "sent, not answered yet"
        ACCEPTED = "accepted", "accepted by the provider"
        REFUSED = "refused", "refused by the provider"
        FAILED = "failed", "failed after it was accepted"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    attempt = models.PositiveSmallIntegerField(null=True, blank=True)
    amount = models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES)
    refunded_before = models.DecimalField(
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        null=True,
        blank=True,
        help_text="What the provider had given back when the attempt began; empty: all but its amount.",
    )
    status = models.CharField(max_length=8, choices=Status.choices)
    refund_id = models.CharField(max_length=REFUND_ID_LENGTH, null=True, blank=True, help_text="The provider's id.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often this attempt was sent.")
    next_try_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is sent again, or the next attempt begins; empty: not by itself."
    )
    key_number = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="Which idempotency key of this attempt is in use."
    )
    key_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When this key was first used; empty: when the attempt began."
    )
    key_is_spent = models.BooleanField(
        default=False, db_default=False, help_text="The provider answers this key with a stored error."
    )
    last_error = models.CharField(max_length=NOTE_LENGTH, blank=True)
    created_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="refund_attempt_is_one", fields=["payment", "attempt"]),
            models.UniqueConstraint(name="refund_is_known_once", fields=["payment", "refund_id"]),
            models.UniqueConstraint(name="refund_is_sent_alone", fields=["payment"], condition=Q(status="sent")),
            models.CheckConstraint(
                name="refund_status_is_known", condition=Q(status__in=["sent", "accepted", "refused", "failed"])
            ),
            models.CheckConstraint(name="refund_amount_is_positive", condition=Q(amount__gt=0)),
        ]
        indexes = [
            # Read by: the limit of automatic refunds in an hour.
            models.Index(name="refund_by_age", fields=["created_at"]),
            # Read by: staff (search by the provider's id).
            models.Index(name="refund_by_id", fields=["refund_id"], condition=Q(refund_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{money.written(self.amount, self.payment.currency)} of {self.payment.payment_id}"
