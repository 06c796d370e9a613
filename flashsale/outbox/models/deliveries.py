"""Deliveries of events to endpoints."""

from django.db import models
from django.db.models import Q

from flashsale.outbox.models.endpoints import Endpoint
from flashsale.outbox.models.events import PUBLIC_PREFIX, Event

ANSWER_LENGTH = 2_048
ERROR_LENGTH = 200
TEST_TYPE = "webhook.test"


class Delivery(models.Model):
    """An event on its way to an endpoint, or a test of the endpoint (`test_id`).

    pending   -> delivered   answered with success
              -> dead        the last try failed, or a test failed
    delivered, dead -> pending   sent again when staff or the back end ask for it, with new tries

    Made in the transaction that numbers its event. A try is counted, and leased until `next_try_at`, before it is sent:
    when its process dies, it is due again at the end of the lease. An answer is stored only while its `lease` is the
    present one. `flashsale.outbox.deliveries` is the only writer.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        DELIVERED = "delivered", "delivered"
        DEAD = "dead", "dead: the last try failed"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="deliveries", null=True)
    test_id = models.UUIDField(null=True, help_text="The id of the message, where it is a test.")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often it was sent since it became pending.")
    next_try_at = models.DateTimeField(null=True, help_text="When it is due, or when the lease of its try ends.")
    lease = models.UUIDField(null=True, help_text="The try that is under way.")
    last_status = models.PositiveSmallIntegerField(null=True, help_text="The HTTP status of the last answer.")
    last_answer = models.CharField(max_length=ANSWER_LENGTH, blank=True, help_text="The beginning of its body.")
    last_error = models.CharField(max_length=ERROR_LENGTH, blank=True)
    attempts = models.JSONField(default=list, help_text="The last tries: when, status, milliseconds, error.")
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Read by: the list of an endpoint's deliveries of an event, and replays.
            models.UniqueConstraint(name="delivery_is_one_for_each_event", fields=["endpoint", "event"]),
            models.CheckConstraint(
                name="delivery_status_is_known", condition=Q(status__in=["pending", "delivered", "dead"])
            ),
            models.CheckConstraint(
                name="delivery_is_tried_while_pending",
                condition=Q(status="pending", next_try_at__isnull=False)
                | (~Q(status="pending") & Q(next_try_at__isnull=True, lease__isnull=True)),
            ),
            models.CheckConstraint(
                name="delivery_delivered_with_a_time",
                condition=Q(status="delivered", delivered_at__isnull=False)
                | (~Q(status="delivered") & Q(delivered_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="delivery_is_of_an_event_or_a_test",
                condition=Q(event__isnull=False, test_id__isnull=True) | Q(event__isnull=True, test_id__isnull=False),
            ),
        ]
        indexes = [
            # Read by: the sender, for each endpoint.
            models.Index(
                name="delivery_due",
                fields=["endpoint", "next_try_at", "id"],
                condition=Q(status="pending", event__isnull=False),
            ),
            # Read by: the sender, which sends tests whatever the endpoint's status.
            models.Index(
                name="delivery_test_due", fields=["endpoint"], condition=Q(status="pending", event__isnull=True)
            ),
            # Read by: the sender, which bounds the deliveries of an endpoint that are under way.
            models.Index(name="delivery_under_way", fields=["endpoint"], condition=Q(lease__isnull=False)),
            # Read by: the list of an endpoint's deliveries, the oldest pending one, and the purge.
            models.Index(name="delivery_by_endpoint", fields=["endpoint", "created_at", "id"]),
            # Read by: the admin's list of all endpoints' dead deliveries.
            models.Index(name="delivery_dead", fields=["id"], condition=Q(status="dead")),
            models.Index(name="delivery_by_status", fields=["endpoint", "status", "created_at", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.message_type} to {self.endpoint}"

    @property
    def message_id(self) -> str:
        """The id that receivers see, the same at each try and replay."""
        return f"{PUBLIC_PREFIX}{str(self.test_id).replace('-', '')}" if self.event is None else self.event.shown_id

    @property
    def message_type(self) -> str:
        """The type of the event, or of the test."""
        return TEST_TYPE if self.event is None else self.event.type
