"""Revision `aadbd26` in a checkout of its own: what this revision's promises are measured against.

Its public API, its ordinary views (one transaction for each request: lock, read, write), and a bare view. They never
change, so that a ratio changes only by what this revision does.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from benchmarks import checkouts, processor_time
from benchmarks.shop import ShopUnderTest, free_port, open_shop, serving

REVISION = "aadbd26"
BARE = Path(__file__).with_name("bare")


class Baseline:
    """The shop of `REVISION`, with a web server for each kind of view; each server is started when it is first used."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        """Check the revision out, and start its database; `stack` ends everything."""
        self._stack = stack
        # By the port of the server.
        self._server_pids: dict[int, int] = {}
        checkout = stack.enter_context(checkouts.checked_out(checkouts.find_commit(REVISION)))
        self._shop = stack.enter_context(open_shop(checkout))

    @cached_property
    def api(self) -> ShopUnderTest:
        """Its public API."""
        return self._served({})

    def processes(self) -> list[int]:
        """Return the ids of the first processes of its public API, as `processor_time.processes_of` does."""
        return processor_time.processes_of(self.api, self._server_pids[self.api.port])

    @cached_property
    def ordinary(self) -> ShopUnderTest:
        """Its ordinary views, below `/bench`."""
        return self._served({"DJANGO_SETTINGS_MODULE": "benchmarks.settings"})

    def bare(self, body: str) -> ShopUnderTest:
        """A view at `/bench/constant` that answers `body`, in a Django without any middleware."""
        paths = os.pathsep.join(filter(None, [str(BARE), self._shop.environment.get("PYTHONPATH")]))
        return self._served({"DJANGO_SETTINGS_MODULE": "bare_settings", "BARE_BODY": body, "PYTHONPATH": paths})

    def audit(self) -> None:
        """End the program when its counters disagree with its holds and orders."""
        self._shop.manage("audit_stock")

    def _served(self, environment: Mapping[str, str]) -> ShopUnderTest:
        shop = replace(self._shop, port=free_port(), environment=self._shop.environment | environment)
        self._server_pids[shop.port] = self._stack.enter_context(serving(shop))
        # Its commands need no other settings than the shop's own.
        return replace(shop, environment=self._shop.environment)
