"""Endpoints of the shop's back end."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from flashsale.core.webhook_signatures import SECRET_PREFIX
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models.events import TYPE_LENGTH

URL_LENGTH = 2_000
DESCRIPTION_LENGTH = 200
SECRET_LENGTH = 100
MAX_TYPES = len(EventType)


class Endpoint(models.Model):
    """A URL to which events are sent.

    enabled  -> failing    a delivery failed
    failing  -> enabled    a delivery or a test was answered with success
    enabled, failing -> disabled   it answered 410 Gone, or staff or the back end disabled it
    failing  -> disabled   there were nothing but failures for five days
    failing, disabled -> enabled   staff or the back end enabled it: it gets what it missed

    Of a failing one only one delivery at a time is tried, from `next_probe_at` on, and of a disabled one none.
    `flashsale.outbox.endpoints` is the only writer. A deleted one gets nothing, is in no answer, and keeps no secret;
    its row goes when its deliveries are purged.
    """

    class Status(models.TextChoices):
        ENABLED = "enabled", "enabled"
        FAILING = "failing", "failing: one delivery at a time is tried"
        DISABLED = "disabled", "disabled: nothing is sent"

    class DisabledReason(models.TextChoices):
        GONE = "gone", "it answered 410 Gone"
        FAILURES = "failures", "nothing but failures for five days"
        REQUESTED = "requested", "it was asked for"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    url = models.CharField(max_length=URL_LENGTH)
    types = ArrayField(models.CharField(max_length=TYPE_LENGTH), default=list, help_text="Empty: all types.")
    description = models.CharField(max_length=DESCRIPTION_LENGTH, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ENABLED)
    disabled_reason = models.CharField(max_length=9, choices=DisabledReason.choices, blank=True)
    secret = models.CharField(max_length=SECRET_LENGTH)
    previous_secrets = ArrayField(models.CharField(max_length=SECRET_LENGTH), default=list)
    previous_secrets_until = models.DateTimeField(
        null=True, help_text="Until when the secrets before sign, too; empty: only the present one."
    )
    failing_since = models.DateTimeField(null=True, help_text="The first failure since the last success.")
    failures = models.PositiveIntegerField(default=0, help_text="Probes that failed since the last success.")
    next_probe_at = models.DateTimeField(null=True, help_text="When one delivery is tried, while it is failing.")
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="endpoint_status_is_known", condition=Q(status__in=["enabled", "failing", "disabled"])
            ),
            models.CheckConstraint(
                name="endpoint_is_failing_since_a_failure",
                condition=Q(status="failing", failing_since__isnull=False, next_probe_at__isnull=False, failures__gte=1)
                | (~Q(status="failing") & Q(failing_since__isnull=True, next_probe_at__isnull=True, failures=0)),
            ),
            models.CheckConstraint(
                name="endpoint_is_disabled_for_a_reason",
                condition=Q(status="disabled", disabled_reason__in=["gone", "failures", "requested"])
                | (~Q(status="disabled") & Q(disabled_reason="")),
            ),
            models.CheckConstraint(
                name="endpoint_has_a_secret_until_it_is_deleted",
                condition=Q(deleted_at__isnull=True, secret__startswith=SECRET_PREFIX)
                | Q(deleted_at__isnull=False, secret="", previous_secrets=[]),
            ),
            models.CheckConstraint(
                name="endpoint_previous_secrets_end",
                condition=Q(previous_secrets=[], previous_secrets_until__isnull=True)
                | (~Q(previous_secrets=[]) & Q(previous_secrets_until__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.url
