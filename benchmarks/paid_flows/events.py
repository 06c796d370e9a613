"""What events cost a paid flow: this shop beside one that records none, on the same servers.

The events of this shop are numbered each second, in a process of its own (`python -m benchmarks.paid_flows.events`), as
the worker does. While the other shop is measured there is nothing to number.
"""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.checkouts import PROJECT
from benchmarks.results import Side
from benchmarks.shop import ShopUnderTest, free_port, serving
from benchmarks.wrk import Load
from flashsale.local import child_process

# As often as the worker numbers events.
NUMBERING_SECONDS = 1.0
WITHOUT = "benchmarks.paid_flows.without_events"
BATCHES = 100


def without_events(shop: ShopUnderTest, stack: contextlib.ExitStack) -> ShopUnderTest:
    """Return the shop behind a second web server, which records no events; events are numbered until `stack` ends."""
    quiet = replace(shop, port=free_port(), environment=shop.environment | {"DJANGO_SETTINGS_MODULE": WITHOUT})
    stack.enter_context(serving(quiet))
    stack.enter_context(_numbering(shop))
    return quiet


def numbered(side: Side) -> Side:
    """Return a side that leaves no events behind for the round of the other one."""

    def run() -> Load:
        load = side.round()
        _number()
        return load

    return replace(side, round=run)


@contextlib.contextmanager
def _numbering(shop: ShopUnderTest) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.paid_flows.events"], cwd=PROJECT, env=shop.environment,
        preexec_fn=child_process.child_setup(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _number() -> None:
    from flashsale.outbox import numbering

    numbering.number_all(batches=BATCHES)


if __name__ == "__main__":
    import django

    django.setup()
    while True:
        time.sleep(NUMBERING_SECONDS)
        _number()
