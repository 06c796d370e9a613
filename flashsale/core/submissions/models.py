"""What acts once stores: steps of the admin's forms, uploads that await confirmation, requests of the back office API.

Beside them stands what API tokens did to rows: the counterpart of the log of the admin, whose rows need an account.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from flashsale.core import acting

CLIENT_LENGTH = 32
KEY_LENGTH = 255
FINGERPRINT_LENGTH = 64


class Submission(models.Model):
    """One step that a form asked for, stored in the transaction that carried it out.

    A form about several rows takes a step for each of them. `flashsale.core.submissions.once` is the only writer.
    """

    token = models.UUIDField(help_text="The form's random token.")
    step = models.CharField(max_length=200, help_text="What was done to which row.")
    outcome = models.TextField(blank=True, default="", help_text="What the first press was told.")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="submission_acts_once", fields=["token", "step"])]
        indexes = [
            # Read by: the daily purge.
            models.Index(name="submission_by_age", fields=["made_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.step}: {self.outcome}"


class Upload(models.Model):
    """A file that was previewed and awaits confirmation, by its token instead of being sent again."""

    token = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    content = models.BinaryField(help_text="The bytes of the file.")
    # Not a constraint: an upload must not prevent deleting its author's account.
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        indexes = [
            # Read by: the daily purge.
            models.Index(name="upload_by_age", fields=["made_at"]),
        ]

    def __str__(self) -> str:
        return str(self.token)


class KeyedRequest(models.Model):
    """A request of the back office API with an Idempotency-Key, and its answer: stored by the transaction it caused.

    `flashsale.core.submissions.keyed_requests` is the only writer.
    """

    client = models.CharField(max_length=CLIENT_LENGTH, help_text="The prefix of the API token that it belongs to.")
    key = models.CharField(max_length=KEY_LENGTH)
    fingerprint = models.CharField(max_length=FINGERPRINT_LENGTH, help_text="SHA-256 of method, path and body.")
    status_code = models.PositiveSmallIntegerField(null=True, help_text="The status of the answer.")
    body = models.TextField(blank=True, default="", help_text="The answer's JSON, without its secrets.")
    headers = models.JSONField(blank=True, default=dict)
    secrets = models.JSONField(blank=True, default=dict, help_text="Members of the answer, erased after a day.")
    made_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="keyed_request_acts_once", fields=["client", "key"])]
        indexes = [
            # Read by: the hourly purge.
            models.Index(name="keyed_request_by_age", fields=["made_at"]),
            # Read by: the hourly purge (whose secrets are to be erased).
            models.Index(name="keyed_request_with_secrets", fields=["made_at"], condition=~Q(secrets={})),
        ]

    def __str__(self) -> str:
        return f"{self.client}: {self.key}"


class TokenAction(models.Model):
    """What an API token did to a row, in the transaction that did it. The token's name is kept as it was."""

    model = models.CharField(max_length=200, help_text="The row's model, such as checkout.order.")
    row_id = models.CharField(max_length=64)
    token_name = models.CharField(max_length=acting.TOKEN_NAME_LENGTH)
    text = models.TextField()
    made_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [
            # Read by: the history of a row.
            models.Index(name="token_action_by_row", fields=["model", "row_id"]),
        ]

    def __str__(self) -> str:
        return f"{acting.in_words(self.token_name)}: {self.text}"
