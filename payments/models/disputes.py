"""Disputes: customers' banks ask for payments back."""

from django.db import models
from django.db.models import Q

from flashsale.core import money
from payments.models.lengths import DISPUTE_ID_LENGTH, REASON_LENGTH
from payments.models.payments import Payment


class Dispute(models.Model):
    """A customer's bank asks for a payment back (a chargeback, or an inquiry that may become one).

    open -> won    the money stays, or the inquiry was closed
         -> lost   the money is gone
    won, lost -> open   the provider reopened it

    It changes neither the order nor its units: staff decide what follows. `payments.disputes` is the only writer.
    """

    class Status(models.TextChoices):
        OPEN = "open", "open"
        WON = "won", "won, the money stays"
        LOST = "lost", "lost, the money is gone"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    dispute_id = models.CharField(max_length=DISPUTE_ID_LENGTH, help_text="The provider's id.")
    amount = models.DecimalField(
        max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, null=True, blank=True
    )
    currency = models.CharField(max_length=money.CURRENCY_LENGTH, blank=True)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, help_text="The provider's word for it.")
    status = models.CharField(max_length=4, choices=Status.choices)
    created_at = models.DateTimeField()
    as_of = models.DateTimeField(help_text="The time of the event that reported this state.")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="dispute_is_known_once", fields=["payment", "dispute_id"]),
            models.CheckConstraint(name="dispute_status_is_known", condition=Q(status__in=["open", "won", "lost"])),
        ]
        indexes = [
            # Read by: staff (what needs a human, the newest first).
            models.Index(name="dispute_for_staff", fields=["created_at"], condition=Q(status__in=["open", "lost"])),
            # Read by: staff (search by the provider's id).
            models.Index(name="dispute_by_id", fields=["dispute_id"]),
        ]

    def __str__(self) -> str:
        return f"Dispute {self.dispute_id}"
