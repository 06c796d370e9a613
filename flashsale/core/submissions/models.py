"""What forms of the admin store: the steps that were performed, and uploads that await confirmation."""

import uuid

from django.conf import settings
from django.db import models


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
