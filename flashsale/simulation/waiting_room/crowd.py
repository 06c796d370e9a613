"""The crowd of a sale with a queue: honest shoppers, absentees, bots, and shoppers who share a ticket."""

import asyncio
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flashsale.simulation.buying import Buying, Price
from flashsale.simulation.client import GaveUp, Journal, ShopClient
from flashsale.simulation.waiting_room.bots import Bot
from flashsale.simulation.waiting_room.queue_client import QueueClient, Refused
from flashsale.simulation.waiting_room.seen import Kind, Seen
from flashsale.simulation.waiting_room.shared_pages import SHOPPERS_FOR_EACH_POLL, SharedPage
from flashsale.simulation.waiting_room.shoppers import Shopper

# Shares of the crowd; the others are buyers.
SHARES = {
    Kind.ABSENTEE: 0.40,
    Kind.RELOADER: 0.08,
    Kind.WRONG_CLOCK: 0.03,
    Kind.SHARER: 0.02,
    Kind.FORGER: 0.01,
    Kind.BOT: 0.005,
}
# The last page is asked for so long after the last hold.
LAST_PAGE_SECONDS = 1.5


@dataclass
class WaitingCrowd:
    """`shoppers` clients of the queue of product `product_id`, whose sale starts in `starts_in_seconds`."""

    base_url: str
    product_id: int
    price: Price
    shoppers: int
    starts_in_seconds: float
    on_done: Callable[[], None]
    journal: Journal = field(default_factory=Journal)
    seen: Seen = field(default_factory=Seen)

    async def run(self) -> Journal:
        """Let each of them wait, buy or leave; returns the journal of all answers."""
        starts_at = time.monotonic() + self.starts_in_seconds
        shop = ShopClient(self.base_url, self.journal)
        buying, queue = Buying(shop, self.price), QueueClient(shop, self.product_id, self.seen)
        pages = [SharedPage(queue) for _ in range(math.ceil(self.shoppers / SHOPPERS_FOR_EACH_POLL))]
        try:
            async with asyncio.TaskGroup() as clients:
                for number, kind in enumerate(kinds(self.shoppers)):
                    page = pages[number % len(pages)]
                    clients.create_task(self._run_one(_client(kind, queue, page, buying, starts_at=starts_at)))
            await asyncio.sleep(LAST_PAGE_SECONDS)
            await queue.page()
        finally:
            await asyncio.gather(*(page.close() for page in pages))
            await buying.close()
            await shop.close()
        return self.journal

    async def _run_one(self, client: Shopper | Bot) -> None:
        try:
            await client.run()
        except (GaveUp, Refused):
            # The one is in the journal, the other among the faults that were seen.
            pass
        finally:
            self.on_done()


def _client(kind: Kind, queue: QueueClient, page: SharedPage, buying: Buying, *, starts_at: float) -> Shopper | Bot:
    if kind == Kind.BOT:
        return Bot(queue, buying, starts_at=starts_at)
    return Shopper(kind, queue, page, buying, starts_at=starts_at)


def kinds(shoppers: int) -> list[Kind]:
    """Return how each of so many shoppers behaves: one of each kind at least, where there are enough."""
    special = [kind for kind, share in SHARES.items() for _ in range(math.ceil(share * shoppers))]
    crowd = [Kind.BUYER] * max(1, shoppers - len(special)) + special[::-1]
    return random.sample(crowd[:shoppers], shoppers)
