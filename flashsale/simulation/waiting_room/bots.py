"""Bots in a queue: they join again and again from the first second, poll hard, and try before they are served."""

import asyncio
import random
import time

import httpx

from flashsale.simulation.buying import Buying, wish
from flashsale.simulation.client import outcome_of
from flashsale.simulation.waiting_room.queue_client import NOT_SERVED, QueueClient
from flashsale.simulation.waiting_room.seen import Kind, Page

TICKETS_OF_A_BOT = 10
# The shop asks for two seconds and more.
POLL_SECONDS = 1.0
JOINS_WITHIN_SECONDS = 1.0
SOLD_OUT_LOOKS = 5
PATIENCE_SECONDS = 120.0


class Bot:
    """One bot; `starts_at` is the monotonic second at which the sale starts."""

    def __init__(self, queue: QueueClient, buying: Buying, *, starts_at: float) -> None:
        self._queue, self._buying = queue, buying
        self._starts_at = starts_at
        self._unserved: dict[str, float | None] = {}
        self._sold_out_looks = 0

    async def run(self) -> None:
        """Try to get more than its tickets are worth, until the units are gone. Raises `GaveUp` and `Refused`."""
        await asyncio.sleep(random.uniform(0, JOINS_WITHIN_SECONDS))
        for _ in range(TICKETS_OF_A_BOT):
            self._unserved[await self._queue.join(Kind.BOT)] = None
        while self._unserved and time.monotonic() < self._starts_at + PATIENCE_SECONDS:
            page = await self._queue.page()
            self._sold_out_looks += page.state == "sold_out"
            if self._sold_out_looks > SOLD_OUT_LOOKS:
                return
            await self._use_served(page)
            await self._try_early()
            await asyncio.sleep(POLL_SECONDS * random.uniform(0.8, 1.2))

    async def _use_served(self, page: Page) -> None:
        """Buy with each ticket that is served; ask for a place when the draw was made."""
        for ticket in list(self._unserved):
            if self._unserved[ticket] is None and page.seed is not None:
                self._unserved[ticket] = await self._queue.place_of(ticket)
            place = self._unserved[ticket]
            if place is not None and place <= page.serving:
                await self._use(ticket)

    async def _use(self, ticket: str) -> None:
        del self._unserved[ticket]
        response = await self._queue.hold(ticket, wish(self._queue.product_id))
        if response.status_code == httpx.codes.CREATED:
            await self._buying.go_on(response.json())

    async def _try_early(self) -> None:
        """Ask for a hold with a ticket whose place was not served a moment ago."""
        if not self._unserved:
            return
        ticket = random.choice(list(self._unserved))
        response = await self._queue.hold(ticket, wish(self._queue.product_id))
        if outcome_of(response) in NOT_SERVED:
            self._queue.seen.early_tries += 1
            return
        # It was served meanwhile: the verdict compares its place with the pages that were seen.
        del self._unserved[ticket]
        if response.status_code == httpx.codes.CREATED:
            await self._buying.go_on(response.json())
