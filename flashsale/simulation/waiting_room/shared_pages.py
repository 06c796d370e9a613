"""Polls that shoppers share: 5,000 clients of their own would need the processors that the server needs.

In front of a real shop a cache does the same: it asks once a second and answers all who poll.
"""

import asyncio
import random

from flashsale.simulation.client import GaveUp
from flashsale.simulation.waiting_room.queue_client import QueueClient, Refused
from flashsale.simulation.waiting_room.seen import Page

SHOPPERS_FOR_EACH_POLL = 50


class SharedPage:
    """The queue's page for a group of shoppers: one task polls it when the shop says, and passes it on."""

    def __init__(self, queue: QueueClient) -> None:
        self._queue = queue
        self._next: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        self._poller = asyncio.create_task(self._poll())

    async def next(self) -> Page:
        """Wait for the next page, and return it."""
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Stop polling."""
        self._poller.cancel()
        await asyncio.gather(self._poller, return_exceptions=True)
        self._next.cancel()

    async def _poll(self) -> None:
        seconds = 0.0
        while True:
            await asyncio.sleep(seconds * random.uniform(0.9, 1.1))
            try:
                page = await self._queue.page()
            except (GaveUp, Refused):
                seconds = 1.0
                continue
            waiting, self._next = self._next, asyncio.get_running_loop().create_future()
            waiting.set_result(page)
            seconds = page.poll_in_seconds
