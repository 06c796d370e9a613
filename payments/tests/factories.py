"""Webhooks for tests: sent through the API, and events made to age."""

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from rest_framework.test import APIClient

from payments import inbox
from payments.inbox import Receipt
from payments.models import Refund, WebhookEvent
from payments.providers import PROVIDERS

PATH = "/api/v1/payments/webhook"


def send(api: APIClient, *, status: str = "success", key: str | None = None, **members):
    """Post an event of the plain provider; returns the response."""
    return api.post(PATH, {"idempotency_key": key or str(uuid4()), "status": status, **members})


def receive(*, status: str = "success", key: str | None = None, **members) -> Receipt:
    """Hand an event of the plain provider to the inbox."""
    body = json.dumps({"idempotency_key": key or str(uuid4()), "status": status, **members}, default=str)
    return inbox.receive(PROVIDERS["standard"], body=body.encode(), headers={})


def let_event_pass(event: WebhookEvent, *, seconds: float) -> None:
    """Move an event into the past, so that by the database's clock it is older by `seconds`."""
    past = timedelta(seconds=seconds)
    WebhookEvent.objects.filter(pk=event.pk).update(
        received_at=F("received_at") - past,
        parked_at=F("parked_at") - past,
        next_attempt_at=F("next_attempt_at") - past,
    )


def let_refund_pass(refund: Refund, *, seconds: float = 100_000) -> None:
    """Move a refund into the past, so that by the database's clock it is older by `seconds`."""
    past = timedelta(seconds=seconds)
    Refund.objects.filter(pk=refund.pk).update(
        created_at=F("created_at") - past, next_try_at=F("next_try_at") - past, key_used_at=F("key_used_at") - past
    )


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Undo what is done inside, for one example of many; the verbs' own durable transactions may run below it."""
    example = transaction.atomic()
    example._from_testcase = True
    with example:
        yield
        transaction.set_rollback(True)
