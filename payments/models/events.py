"""Events of payment providers, stored before they are processed."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from checkout.models import PAYMENT_ID_LENGTH, Order
from flashsale.core import money
from payments.models.lengths import (
    DISPUTE_ID_LENGTH,
    EVENT_ID_LENGTH,
    NOTE_LENGTH,
    PROVIDER_LENGTH,
    REASON_LENGTH,
    REFUND_ID_LENGTH,
    TYPE_LENGTH,
)

# Events that staff look for by what they name: all but the plain successes, which pay their order as they arrive, so
# that these cost the indexes nothing; their order is known.
NOT_PLAIN = (
    Q(status__in=["ignored", "parked", "needs_review", "failed", "dead"])
    | (Q(status="applied") & ~Q(kind="success"))
    | Q(settled_by__isnull=False)
)
NAMING = {column: Q(**{f"{column}__isnull": False}) & NOT_PLAIN for column in ("order_ref", "hold_ref", "payment_ref")}


class WebhookEvent(models.Model):
    """One message of a payment provider, committed before it is processed.

    received -> applied        it changed its order, or made money refundable
             -> ignored        nothing to do: stale, unknown type or status
             -> parked         its order does not exist yet
             -> needs_review   money that cannot be matched
             -> failed         an error; tried again at `next_attempt_at`
    parked   -> as received, when the order is created; -> needs_review (a success) or ignored when it never comes
    failed   -> as received, when it is tried again; -> dead after the last try
    needs_review, dead -> applied   staff accepted it, or made its money refundable
                       -> ignored   staff dismissed it
    dead     -> received            staff retried it

    `payments.inbox.deliveries` writes the first `status`, and only `payments.inbox.processing` changes it. An event
    changes its order or money at most once, however often it arrives.
    """

    class Status(models.TextChoices):
        RECEIVED = "received", "being processed"
        APPLIED = "applied", "applied"
        IGNORED = "ignored", "ignored"
        PARKED = "parked", "waits for its order"
        NEEDS_REVIEW = "needs_review", "needs review"
        FAILED = "failed", "failed, is tried again"
        DEAD = "dead", "dead"

    class Kind(models.TextChoices):
        SUCCESS = "success", "payment succeeded"
        FAILURE = "failure", "payment failed"
        REFUNDED = "refunded", "money given back"
        REFUND_FAILED = "refund_failed", "refund failed"
        DISPUTE = "dispute", "dispute"
        INFORMATIONAL = "noted", "information"
        UNKNOWN = "unknown", "unknown type"

    class Source(models.TextChoices):
        """How it came: posted by the provider, read in its list of events, or made of its answer to a question."""

        WEBHOOK = "webhook", "posted by the provider"
        LISTED = "listed", "read in the provider's list"
        ASKED = "asked", "the provider's answer"

    # Processed again at `next_attempt_at`.
    RETRYABLE = frozenset({Status.RECEIVED, Status.FAILED})
    # Without a verdict yet.
    UNDECIDED = RETRYABLE | {Status.PARKED}

    provider = models.CharField(max_length=PROVIDER_LENGTH)
    event_id = models.CharField(max_length=EVENT_ID_LENGTH)
    source = models.CharField(
        max_length=7, choices=Source.choices, default=Source.WEBHOOK, db_default=Source.WEBHOOK.value
    )
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of what the event says after translation.")
    body = models.BinaryField(null=True, help_text="The raw bytes; purged after some months.")
    headers = models.JSONField(default=dict)
    type = models.CharField(max_length=TYPE_LENGTH, help_text="The provider's own name for what happened.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    order_ref = models.UUIDField(null=True, blank=True)
    hold_ref = models.UUIDField(null=True, blank=True)
    payment_ref = models.CharField(max_length=PAYMENT_ID_LENGTH, null=True, blank=True)
    refund_ref = models.CharField(max_length=REFUND_ID_LENGTH, null=True, blank=True)
    attempt_ref = models.UUIDField(null=True, blank=True, help_text="The shop's own attempt to take the payment.")
    amount = models.DecimalField(
        max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, null=True, blank=True
    )
    amount_is_total = models.BooleanField(default=False, help_text="A refund's amount is what was given back so far.")
    currency = models.CharField(max_length=money.CURRENCY_LENGTH, blank=True)
    dispute_ref = models.CharField(max_length=DISPUTE_ID_LENGTH, null=True, blank=True)
    dispute_status = models.CharField(max_length=4, blank=True, default="", db_default="")
    dispute_reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="", db_default="")
    malformed = models.CharField(max_length=32, blank=True, help_text="The first field that could not be used.")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.RECEIVED)
    reason = models.CharField(max_length=64, blank=True, help_text="Why it has this status, in a word.")
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="webhook_events", db_index=True
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    request_id = models.CharField(
        max_length=32, blank=True, default="", db_default="", help_text="Names the request that brought it, in the log."
    )
    received_at = models.DateTimeField()
    occurred_at = models.DateTimeField(null=True, blank=True, help_text="When it happened, by the provider's clock.")
    parked_at = models.DateTimeField(null=True, blank=True, help_text="Since when it waits for its order.")
    processed_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="+"
    )
    settled_note = models.CharField(
        max_length=NOTE_LENGTH, blank=True, default="", db_default="", help_text="Why staff settled it so."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="event_is_stored_once", fields=["provider", "event_id", "fingerprint"]),
            models.CheckConstraint(
                name="event_status_is_known",
                condition=Q(status__in=["received", "applied", "ignored", "parked", "needs_review", "failed", "dead"]),
            ),
            models.CheckConstraint(
                name="event_has_a_next_attempt_while_open",
                condition=Q(status__in=["received", "failed"], next_attempt_at__isnull=False)
                | (~Q(status__in=["received", "failed"]) & Q(next_attempt_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="event_source_is_known", condition=Q(source__in=["webhook", "listed", "asked"])
            ),
            models.CheckConstraint(
                name="event_settled_with_a_note", condition=Q(settled_by__isnull=True) | ~Q(settled_note="")
            ),
        ]
        indexes = [
            # Read by: the worker (received and failed events whose time has come).
            models.Index(name="event_due", fields=["next_attempt_at"], condition=Q(status__in=["received", "failed"])),
            # Read by: the creation of an order and the worker (parked events of an order), each by its reference.
            models.Index(name="event_parked_by_order", fields=["order_ref"], condition=Q(status="parked")),
            models.Index(name="event_parked_by_hold", fields=["hold_ref"], condition=Q(status="parked")),
            models.Index(name="event_parked_by_payment", fields=["payment_ref"], condition=Q(status="parked")),
            # Read by: the worker (parked events that waited too long) and the purge of old bodies.
            models.Index(name="event_parked_by_age", fields=["parked_at"], condition=Q(status="parked")),
            models.Index(name="event_with_body_by_age", fields=["received_at"], condition=Q(body__isnull=False)),
            # Read by: staff (events, newest first).
            models.Index(name="event_by_receipt", fields=["received_at"]),
            # Read by: the metrics (payments of which no webhook told).
            models.Index(name="event_not_posted", fields=["provider", "received_at"], condition=~Q(source="webhook")),
            # Read by: staff (what needs a human).
            models.Index(
                name="event_for_staff",
                fields=["received_at", "status"],
                condition=Q(status__in=["needs_review", "dead"]),
            ),
            # Read by: an order's page (what named it, also without being applied to it) and staff's search.
            models.Index(name="event_naming_order", fields=["order_ref"], condition=NAMING["order_ref"]),
            models.Index(name="event_naming_hold", fields=["hold_ref"], condition=NAMING["hold_ref"]),
            models.Index(name="event_naming_payment", fields=["payment_ref"], condition=NAMING["payment_ref"]),
        ]

    def __str__(self) -> str:
        return f"Event {self.event_id}"

    @property
    def is_retryable(self) -> bool:
        """Whether the event is processed again at `next_attempt_at`."""
        return self.status in self.RETRYABLE

    @property
    def is_undecided(self) -> bool:
        """Whether the rules have not given a final verdict yet."""
        return self.status in self.UNDECIDED

    @property
    def payment_id(self) -> str:
        """The id of its payment: the provider's payment id, else the event's own id."""
        return self.payment_ref or self.event_id

    @property
    def payment_key(self) -> tuple[str, str]:
        """What makes its payment unique: the provider and the payment id."""
        return self.provider, self.payment_id

    @property
    def happened_at(self) -> datetime:
        """When it happened: by the provider's clock where that is known, but never after the receipt."""
        return self.received_at if self.occurred_at is None else min(self.occurred_at, self.received_at)

    @property
    def body_text(self) -> str:
        """The raw bytes as text, for people."""
        return "(purged)" if self.body is None else bytes(self.body).decode(errors="replace")
