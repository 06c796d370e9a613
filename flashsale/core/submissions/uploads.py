"""Uploaded files between preview and confirmation: stored for a day, a few for each member of staff."""

import uuid
from datetime import timedelta

from django.contrib.auth.models import User

from flashsale.core import clock
from flashsale.core.submissions.models import Upload
from flashsale.core.transactions import retrying_transaction

RETENTION_HOURS = 24
MAX_PER_USER = 5


@retrying_transaction
def store(content: bytes, *, made_by: User) -> uuid.UUID:
    """Store a file and return its token; of this user's files only the newest `MAX_PER_USER` stay."""
    upload = Upload.objects.create(content=content, made_by=made_by)
    newest = Upload.objects.filter(made_by=made_by).order_by("-made_at").values_list("pk", flat=True)[:MAX_PER_USER]
    Upload.objects.filter(made_by=made_by).exclude(pk__in=list(newest)).delete()
    return upload.token


def find(token: uuid.UUID, *, made_by: User) -> bytes | None:
    """Return the bytes of a file that this user uploaded, or None when it is not stored any more."""
    content = Upload.objects.filter(pk=token, made_by=made_by).values_list("content", flat=True).first()
    return None if content is None else bytes(content)


@retrying_transaction
def purge() -> int:
    """Delete the files not confirmed within `RETENTION_HOURS`; return how many."""
    return Upload.objects.filter(made_at__lt=clock.now() - timedelta(hours=RETENTION_HOURS)).delete()[0]
