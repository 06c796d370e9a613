"""The queue of a product: its draw, how far it is served, and how many tickets were minted and came.

No ticket is stored: see `checkout.waiting_room.tickets`.
"""

from django.db import models
from django.db.models import F, Q

from catalog.models import Product

SEED_LENGTH = 64
DIGITS = rf"^[0-9a-f]{{{SEED_LENGTH}}}$"


class Queue(models.Model):
    """The queue of one product, made when the product's queue is first in use.

    not drawn -> drawn    at the start of the sale, once. A queue that is switched on after the start has no draw, and
                          `drawn_at` is that moment.

    The seed is made in PostgreSQL and read by nothing before `drawn_at`. `checkout.waiting_room.moving` is the only
    writer, except of the counters `tickets`, `late_tickets`, `claims` and `busy`, to which
    `checkout.waiting_room.counts` adds.
    """

    product = models.OneToOneField(Product, on_delete=models.CASCADE, primary_key=True, related_name="+")
    seed = models.CharField(max_length=SEED_LENGTH, null=True, help_text="64 hexadecimal digits; null: no draw.")
    seed_hash = models.CharField(max_length=SEED_LENGTH, null=True, help_text="The SHA-256 of the seed's text.")
    created_at = models.DateTimeField()
    drawn_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField()
    serving = models.FloatField(default=0, help_text="The place that was served at `moved_at`.")
    rate = models.FloatField(default=0, help_text="Places a second from `moved_at` to `turns_at`.")
    turns_at = models.DateTimeField()
    next_rate = models.FloatField(default=0, help_text="Places a second from `turns_at` on.")
    served_seconds = models.FloatField(default=0, help_text="How long it has been serving, pauses left out.")
    tickets = models.BigIntegerField(default=0, help_text="Tickets that were minted before the draw.")
    late_tickets = models.BigIntegerField(default=0, db_default=0, help_text="Tickets that were minted after it.")
    claims = models.BigIntegerField(default=0, help_text="Admitted tickets that came with a request for a hold.")
    busy = models.BigIntegerField(default=0, help_text="Their requests that were answered `busy`.")
    controller = models.JSONField(default=dict, help_text="The state of `checkout.waiting_room.rate`.")

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                name="queue_has_a_hash_with_its_seed",
                condition=Q(seed__isnull=True, seed_hash__isnull=True)
                | Q(seed__isnull=False, seed_hash__isnull=False, seed__regex=DIGITS, seed_hash__regex=DIGITS),
            ),
            models.CheckConstraint(
                name="queue_without_a_seed_begins_at_once", condition=Q(seed__isnull=False) | Q(drawn_at__isnull=False)
            ),
            models.CheckConstraint(
                name="queue_serves_after_the_draw",
                condition=Q(drawn_at__isnull=False) | Q(serving=0, rate=0, next_rate=0),
            ),
            models.CheckConstraint(
                name="queue_is_served_forwards",
                condition=Q(serving__gte=0, rate__gte=0, next_rate__gte=0, turns_at__gte=F("moved_at")),
            ),
            models.CheckConstraint(
                name="queue_counts_are_not_negative",
                condition=Q(tickets__gte=0, claims__gte=0, busy__gte=0, served_seconds__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"Queue of {self.product_id}, serving {self.serving}"


class LateTickets(models.Model):
    """How many tickets of a product were minted in one second after the draw."""

    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    began_at = models.DateTimeField()
    tickets = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="late_tickets_are_one", fields=["product", "began_at"])]

    def __str__(self) -> str:
        return f"{self.tickets} of product {self.product_id}"


class ServedPlace(models.Model):
    """The place that a product's queue served when it had been serving for `served_seconds`.

    Admission ends `ADMISSION_SECONDS` after a place was served.
    """

    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    served_seconds = models.FloatField()
    serving = models.FloatField()

    class Meta:
        default_permissions = ()
        indexes = [
            # Read by: the gate (which places were served too long ago), and the task that deletes old rows.
            models.Index(name="served_place_by_time", fields=["product", "served_seconds"], include=["serving"]),
        ]

    def __str__(self) -> str:
        return f"{self.serving} after {self.served_seconds} s"
