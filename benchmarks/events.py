"""What events cost a paid flow: this shop beside one that records none, on the same servers."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.results import Side
from benchmarks.shop import ShopUnderTest, free_port, serving
from benchmarks.wrk import Load

# As often as the worker numbers events.
NUMBERING_SECONDS = 1.0
WITHOUT = "benchmarks.without_events"


def without_events(shop: ShopUnderTest, stack: contextlib.ExitStack) -> ShopUnderTest:
    """Return the shop behind a second web server, which records no events."""
    quiet = replace(shop, port=free_port(), environment=shop.environment | {"DJANGO_SETTINGS_MODULE": WITHOUT})
    stack.enter_context(serving(quiet))
    return quiet


def numbered(side: Side) -> Side:
    """Return a side during whose rounds events are numbered, as by the worker."""

    def run() -> Load:
        with _numbering():
            return side.round()

    return replace(side, round=run)


@contextlib.contextmanager
def _numbering() -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=_number_until, args=[over.wait])
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _number_until(wait: Callable[[float], bool]) -> None:
    from django.db import connection

    from flashsale.outbox import numbering

    while not wait(NUMBERING_SECONDS):
        numbering.number_all(batches=100)
    connection.close()
