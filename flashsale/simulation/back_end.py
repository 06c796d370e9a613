"""The back end of a simulated sale: a second process that reads the feed, and what it should have heard."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from checkout.models import Order
from flashsale.outbox.models import Numbering
from flashsale.simulation.feed_reader import TOKEN

FINISH_SECONDS = 300


@dataclass
class Heard:
    """What the back end heard: of each order of the product its events, in the order of the feed."""

    orders: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    repeated: int = 0
    failure: str = ""

    @classmethod
    def of(cls, events: list[dict[str, Any]], product_id: int) -> "Heard":
        """Return what these events tell of a product's orders."""
        heard = cls(repeated=len(events) - len({event["id"] for event in events}))
        for event in events:
            if event["type"].startswith("order.") and event["data"]["product_id"] == product_id:
                heard.orders[event["data"]["order_id"]].append(event)
        return heard


class BackEnd:
    """The process that reads; it is started before the crowd comes."""

    def __init__(self, url: str, token: str) -> None:
        """Start reading after the newest event that there is. It ends by itself when this process does."""
        newest = Numbering.objects.values_list("last_sequence", flat=True).first() or 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flashsale.simulation.feed_reader", url, str(newest)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # The package is found in this folder, wherever the command was run.
            cwd=settings.BASE_DIR,
            env=os.environ | {TOKEN: token},
            start_new_session=True,
        )

    def finish(self, product_id: int) -> Heard:
        """Let it read to the end; return what it heard of a product's orders."""
        try:
            output, errors = self._process.communicate(timeout=FINISH_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return Heard(failure=f"not read to the end in {FINISH_SECONDS} s")
        if self._process.returncode != 0:
            return Heard(failure=(errors.strip().splitlines() or [f"exit code {self._process.returncode}"])[-1])
        return Heard.of([json.loads(line) for line in output.splitlines()], product_id)

    def kill(self) -> None:
        """End it at once, if it is still running."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def statuses(product_id: int) -> dict[str, str]:
    """Return the statuses of a product's orders, by their ids."""
    return {str(pk): status for pk, status in Order.objects.filter(product_id=product_id).values_list("pk", "status")}


def differences(heard: Heard, *, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return a sentence for each way in which the events differ from the orders.

    `before` and `after` are the orders' statuses before the last event was read and after it.
    """
    if heard.failure:
        return [f"The back end could not read the events: {heard.failure}"]
    missing = sorted(set(before) - set(heard.orders))
    unknown = sorted(set(heard.orders) - set(after))
    wrong = [
        order_id
        for order_id, events in heard.orders.items()
        if _end_of(events) not in (before.get(order_id, Order.Status.PENDING_PAYMENT), after.get(order_id))
    ]
    found = {
        f"{heard.repeated} events were read twice": heard.repeated,
        f"The events lack {len(missing)} orders, such as {missing[:1]}": missing,
        f"The events tell of {len(unknown)} orders that do not exist, such as {unknown[:1]}": unknown,
        f"The events of {len(wrong)} orders tell another story, such as {wrong[:1]}": wrong,
    }
    return [sentence for sentence, is_found in found.items() if is_found]


def _end_of(events: list[dict[str, Any]]) -> str | None:
    """Return the status after an order's events; None when one does not follow from the one before it."""
    status = None
    for event in events:
        if event["data"]["previous_status"] != status:
            return None
        status = event["data"]["status"]
    return status
