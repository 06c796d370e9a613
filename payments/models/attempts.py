"""Payments that the shop makes at a provider for its orders, and what is known of the provider's API."""

import uuid

from django.db import models
from django.db.models import Q

from checkout.models import PAYMENT_ID_LENGTH, Order
from flashsale.core import money
from payments.models.lengths import NOTE_LENGTH, PROVIDER_LENGTH, REASON_LENGTH

SHOP_ID_LENGTH = 64
SECRET_LENGTH = 255
URL_LENGTH = 2_000
SLOT_NAME_LENGTH = 100


class PaymentAttempt(models.Model):
    """One payment of an order that the shop makes at a provider: a payment intent, or a session of hosted checkout.

    creating      -> open        the provider made it, and it can be paid
                  -> failed      the provider refused to make it
    creating,open -> closing     its order is not pending any more, or `pay_until` has passed
    open,closing  -> succeeded   it was paid
    closing       -> closed      it cannot be paid any more

    An order has one attempt at most that has not ended. `payments.attempt_records` is the only writer. An attempt is
    committed before the provider is asked, with a lease (`next_ask_at`) that keeps others from asking too; `tries`
    counts the requests since the last change of status. Only an open attempt has secrets.
    """

    class Status(models.TextChoices):
        CREATING = "creating", "being made"
        OPEN = "open", "can be paid"
        CLOSING = "closing", "being closed"
        CLOSED = "closed", "closed unpaid"
        FAILED = "failed", "refused by the provider"
        SUCCEEDED = "succeeded", "paid"

    class Kind(models.TextChoices):
        PAYMENT_INTENT = "payment_intent", "payment intent"
        CHECKOUT_SESSION = "checkout_session", "checkout session"

    UNENDED = frozenset({Status.CREATING, Status.OPEN, Status.CLOSING})

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payment_attempts", db_index=False)
    number = models.PositiveSmallIntegerField(help_text="Which attempt of its order it is, from 1.")
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    shop_id = models.CharField(max_length=SHOP_ID_LENGTH, help_text="The SHOP_ID with which it was made.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.CREATING)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, help_text="Why it has this status, in a word.")
    amount = models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES)
    currency = models.CharField(max_length=money.CURRENCY_LENGTH)
    object_id = models.CharField(
        max_length=PAYMENT_ID_LENGTH, null=True, blank=True, help_text="The provider's id of the intent or session."
    )
    payment_id = models.CharField(
        max_length=PAYMENT_ID_LENGTH, null=True, blank=True, help_text="The provider's id of the payment, once known."
    )
    client_secret = models.CharField(max_length=SECRET_LENGTH, blank=True)
    url = models.CharField(max_length=URL_LENGTH, blank=True)
    return_url = models.CharField(max_length=URL_LENGTH, blank=True)
    pay_until = models.DateTimeField()
    created_at = models.DateTimeField()
    shown_at = models.DateTimeField(null=True, blank=True, help_text="When it was first answered as open.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often the provider was asked for this step.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider was asked last.")
    next_ask_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider is asked next; empty: not by itself."
    )
    key_number = models.PositiveSmallIntegerField(default=1, help_text="Which idempotency key is in use.")
    key_used_at = models.DateTimeField(help_text="When this key was first used.")
    key_is_spent = models.BooleanField(default=False, help_text="The provider answers this key with a stored error.")
    last_error = models.CharField(max_length=NOTE_LENGTH, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="payment_attempt_is_one", fields=["order", "number"]),
            models.UniqueConstraint(
                name="payment_attempt_runs_alone",
                fields=["order"],
                condition=Q(status__in=["creating", "open", "closing"]),
            ),
            models.UniqueConstraint(
                name="payment_attempt_object_is_one",
                fields=["provider", "object_id"],
                condition=Q(object_id__isnull=False),
            ),
            models.CheckConstraint(
                name="payment_attempt_status_is_known",
                condition=Q(status__in=["creating", "open", "closing", "closed", "failed", "succeeded"]),
            ),
            models.CheckConstraint(
                name="payment_attempt_kind_is_known", condition=Q(kind__in=["payment_intent", "checkout_session"])
            ),
            models.CheckConstraint(name="payment_attempt_amount_is_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="payment_attempt_ended_with_a_time",
                condition=Q(status__in=["creating", "open", "closing"], ended_at__isnull=True)
                | (
                    ~Q(status__in=["creating", "open", "closing"]) & Q(ended_at__isnull=False, next_ask_at__isnull=True)
                ),
            ),
            models.CheckConstraint(
                name="payment_attempt_open_can_be_paid",
                condition=~Q(status="open") | (Q(object_id__isnull=False) & (~Q(client_secret="") | ~Q(url=""))),
            ),
            models.CheckConstraint(
                name="payment_attempt_keeps_no_old_secret",
                condition=Q(status="open") | Q(client_secret="", url=""),
            ),
        ]
        indexes = [
            # Read by: the tasks that ask the provider (what is due, the longest waiting first).
            models.Index(
                name="payment_attempt_due",
                fields=["next_ask_at"],
                condition=Q(status__in=["creating", "open", "closing"]),
            ),
            # Read by: a buyer's request (how many wait for the provider).
            models.Index(name="payment_attempt_waiting", fields=["shop_id"], condition=Q(status="creating")),
            # Read by: the task that closes (whose time is over).
            models.Index(
                name="payment_attempt_by_deadline", fields=["pay_until"], condition=Q(status__in=["creating", "open"])
            ),
            # Read by: staff (attempts, newest first).
            models.Index(name="payment_attempt_by_creation", fields=["created_at"]),
            # Read by: the inbox (the attempt of a payment), staff's search.
            models.Index(
                name="payment_attempt_by_payment", fields=["payment_id"], condition=Q(payment_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.number} to pay {money.written(self.amount, self.currency)}"


class RequestSlot(models.Model):
    """When the next request to one endpoint of a provider's API may be sent, over all processes.

    `payments.request_slots` is the only reader and writer.
    """

    name = models.CharField(max_length=SLOT_NAME_LENGTH, primary_key=True)
    next_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class EventCursor(models.Model):
    """How far a provider's list of events was read for a shop, and when its payments were last compared with ours.

    `read_until` is a time by the provider's clock, the others are by ours. `payments.asking` is the only writer.
    """

    provider = models.CharField(max_length=PROVIDER_LENGTH)
    shop_id = models.CharField(max_length=SHOP_ID_LENGTH)
    read_until = models.DateTimeField()
    swept_at = models.DateTimeField(null=True, blank=True, help_text="When a whole list was last taken.")
    leased_until = models.DateTimeField(null=True, blank=True)
    compared_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="event_cursor_is_one", fields=["provider", "shop_id"])]

    def __str__(self) -> str:
        return f"{self.provider}, read until {self.read_until:%Y-%m-%d %H:%M:%S}"
