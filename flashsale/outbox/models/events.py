"""Events for the shop's back end: recorded with their change, then numbered; and how far they are numbered."""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from flashsale.core.identifiers import parse_hex_uuid

TYPE_LENGTH = 32
RESOURCE_LENGTH = 32
RESOURCE_ID_LENGTH = 64
CLUSTER_LENGTH = 64
PUBLIC_PREFIX = "evt_"


def parse_shown_id(text: str) -> uuid.UUID | None:
    """Return the `public_id` of the event with this id, as readers see it; None for other text."""
    return parse_hex_uuid(text.removeprefix(PUBLIC_PREFIX)) if text.startswith(PUBLIC_PREFIX) else None


class _Described(models.Model):
    """What an event is about; `public_id` is what readers know it by."""

    type = models.CharField(max_length=TYPE_LENGTH)
    resource = models.CharField(max_length=RESOURCE_LENGTH, help_text="What kind of row: order, product, ...")
    resource_id = models.CharField(max_length=RESOURCE_ID_LENGTH)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.type} {self.resource_id}"


class RecordedEvent(_Described):
    """Something that happened to a resource, with the resource's row as of the commit; it has no number yet.

    `flashsale.outbox.recording` stores it in the transaction of the change, which has locked the row: the ids of a
    resource's events are in the order of its states. `flashsale.outbox.numbering` replaces it by an `Event`.
    """

    public_id = models.UUIDField(db_default=RandomUUID(), editable=False)
    members = models.JSONField(help_text="What `data` has beside the resource's own members.")
    snapshot = models.JSONField(help_text="The row as of the commit.")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()


class Event(_Described):
    """An event that was numbered after its commit; nothing changes it. Every reader gets its `body`."""

    sequence = models.BigIntegerField(primary_key=True)
    public_id = models.UUIDField(unique=True, editable=False)
    body = models.TextField(help_text="The envelope as it is sent: JSON.")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="outbox_sequence_is_positive", condition=Q(sequence__gt=0))]
        indexes = [
            # Read by: the feed of some types.
            models.Index(name="outbox_event_by_type", fields=["type", "sequence"]),
            # Read by: the admin's search, by the id of an order, a payment or a product.
            models.Index(name="outbox_event_by_resource", fields=["resource_id", "sequence"]),
            # Read by: the admin's lists, between two moments. It is small: events are stored nearly in their order.
            BrinIndex(name="outbox_event_by_time", fields=["recorded_at"]),
        ]

    @property
    def shown_id(self) -> str:
        """The id that readers see; every try to deliver the event and every replay has the same."""
        return f"{PUBLIC_PREFIX}{self.public_id.hex}"


class Numbering(models.Model):
    """How far events are numbered and purged: one row, written under the numberer's lock.

    `cluster` is the server that gave the last number: see `flashsale.outbox.numbering`.
    """

    last_sequence = models.BigIntegerField(default=0)
    purged_through = models.BigIntegerField(default=0, help_text="The newest sequence that was purged.")
    cluster = models.CharField(max_length=CLUSTER_LENGTH, blank=True, default="")

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(name="outbox_numbering_is_one_row", condition=Q(id=1)),
            models.CheckConstraint(
                name="outbox_purged_what_was_numbered",
                condition=Q(purged_through__gte=0, purged_through__lte=F("last_sequence")),
            ),
        ]

    def __str__(self) -> str:
        return f"numbered to {self.last_sequence}"
