"""Events of payment providers, stored before they are processed, and payments, refunds and disputes."""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from checkout.models import PAYMENT_ID_LENGTH, Order
from flashsale.core import money
from flashsale.core.wording import units

EVENT_ID_LENGTH = 255
TYPE_LENGTH = 100
PROVIDER_LENGTH = 32
REFUND_ID_LENGTH = 255
DISPUTE_ID_LENGTH = 255
REASON_LENGTH = 64
NOTE_LENGTH = 500


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

    # Processed again at `next_attempt_at`.
    RETRYABLE = frozenset({Status.RECEIVED, Status.FAILED})
    # Without a verdict yet.
    UNDECIDED = RETRYABLE | {Status.PARKED}

    provider = models.CharField(max_length=PROVIDER_LENGTH)
    event_id = models.CharField(max_length=EVENT_ID_LENGTH)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of what the event says after translation.")
    body = models.BinaryField(null=True, help_text="The raw bytes; purged after some months.")
    headers = models.JSONField(default=dict)
    type = models.CharField(max_length=TYPE_LENGTH, help_text="The provider's own name for what happened.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    order_ref = models.UUIDField(null=True, blank=True)
    hold_ref = models.UUIDField(null=True, blank=True)
    payment_ref = models.CharField(max_length=PAYMENT_ID_LENGTH, null=True, blank=True)
    refund_ref = models.CharField(max_length=REFUND_ID_LENGTH, null=True, blank=True)
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
