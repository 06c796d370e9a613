"""Events for the shop's back end, and how far they are numbered."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

TYPE_LENGTH = 32
RESOURCE_LENGTH = 32
RESOURCE_ID_LENGTH = 64
CLUSTER_LENGTH = 64
PUBLIC_PREFIX = "evt_"


class Event(models.Model):
    """Something that happened to a resource, as the resource was when that was committed.

    `recording` stores it with the row's `snapshot`, while the row is locked: the ids of a resource's events are in the
    order of its states. `numbering` gives it its `sequence` and replaces the snapshot by the `body`, which every reader
    gets; nothing else changes it.
    """

    public_id = models.UUIDField(unique=True, db_default=RandomUUID(), editable=False)
    type = models.CharField(max_length=TYPE_LENGTH)
    resource = models.CharField(max_length=RESOURCE_LENGTH, help_text="What kind of row: order, product, ...")
    resource_id = models.CharField(max_length=RESOURCE_ID_LENGTH)
    members = models.JSONField(help_text="What `data` has beside the resource's own members.")
    snapshot = models.JSONField(null=True, help_text="The row as of the commit, until the event is numbered.")
    sequence = models.BigIntegerField(null=True)
    body = models.TextField(null=True, help_text="The envelope as it is sent: JSON.")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Read by: the feed, page by page, and the purge.
            models.UniqueConstraint(name="outbox_sequence_is_given_once", fields=["sequence"]),
            models.CheckConstraint(
                name="outbox_event_is_rendered_when_numbered",
                condition=Q(sequence__isnull=True, body__isnull=True, snapshot__isnull=False)
                | Q(sequence__isnull=False, body__isnull=False, snapshot__isnull=True),
            ),
        ]
        indexes = [
            # Read by: the numberer.
            models.Index(name="outbox_event_unnumbered", fields=["id"], condition=Q(sequence__isnull=True)),
            # Read by: the feed of some types.
            models.Index(name="outbox_event_by_type", fields=["type", "sequence"], condition=Q(sequence__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.resource_id}"

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
                condition=Q(purged_through__gte=0, purged_through__lte=models.F("last_sequence")),
            ),
        ]

    def __str__(self) -> str:
        return f"numbered to {self.last_sequence}"
