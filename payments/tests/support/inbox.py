"""Inside the inbox: events that are stored but not processed, processes that die, requests that share no batch."""

import contextlib
from collections.abc import Iterator

import pytest

from flashsale.core.batching import Batcher
from flashsale.core.capacity.bulkheads import Bulkhead
from payments.attempts import batching as attempts_batching
from payments.inbox import batching, receiving
from payments.models import WebhookEvent
from payments.tests.factories import receive

MANY = 100


@contextlib.contextmanager
def dying_before_processing() -> Iterator[None]:
    """Inside, the process dies after an event was stored (or leased) and before it is processed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "process", lambda event: event)
        yield


def stored(**members) -> WebhookEvent:
    """Return an event of the plain provider that was stored and not processed."""
    with dying_before_processing():
        return receive(**members).event


class _OwnBatches(Batcher):
    """Every request is the only one of its batch."""

    def submit(self, key, request):
        return super().submit(object(), request)


def separate_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each thread of a race stand for a process of its own: no batches and no places are shared."""
    for module, name in (
        (batching, "delivery_batcher"),
        (batching, "payment_batcher"),
        (attempts_batching, "attempt_batcher"),
        (attempts_batching, "answer_batcher"),
    ):
        monkeypatch.setattr(module, name, _OwnBatches(getattr(module, name)._process))
    monkeypatch.setattr(batching, "_locks", Bulkhead(lambda: MANY))
    monkeypatch.setattr(receiving, "_deliveries", Bulkhead(lambda: MANY))
