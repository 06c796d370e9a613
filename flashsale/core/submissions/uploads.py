"""Files between being looked at and being confirmed: kept for a day, a few for each member of staff."""

import uuid
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser

from flashsale.core import clock
from flashsale.core.submissions.models import Upload
from flashsale.core.transactions import retrying_transaction

KEPT_HOURS = 24
KEPT_FOR_EACH = 5


@retrying_transaction
def keep(content: bytes, *, made_by: AbstractBaseUser) -> uuid.UUID:
    """Store a file and return its token; the oldest beyond `KEPT_FOR_EACH` of this member of staff go."""
    upload = Upload.objects.create(content=content, made_by=made_by)
    newest = Upload.objects.filter(made_by=made_by).order_by("-made_at").values_list("pk", flat=True)[:KEPT_FOR_EACH]
    Upload.objects.filter(made_by=made_by).exclude(pk__in=list(newest)).delete()
    return upload.token


def find(token: uuid.UUID, *, made_by: AbstractBaseUser) -> bytes | None:
    """Return the bytes of a file that this member of staff uploaded, or None when it is not kept any more."""
    content = Upload.objects.filter(pk=token, made_by=made_by).values_list("content", flat=True).first()
    return None if content is None else bytes(content)


@retrying_transaction
def purge() -> int:
    """Delete the files not confirmed within `KEPT_HOURS`; return how many."""
    return Upload.objects.filter(made_at__lt=clock.now() - timedelta(hours=KEPT_HOURS)).delete()[0]
