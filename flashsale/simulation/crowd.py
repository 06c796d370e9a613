"""The shoppers: they start within a second, place holds, release them or let them expire, order, pay, and retry."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from flashsale.simulation.buying import Buying, Price, wish
from flashsale.simulation.client import GaveUp, Journal, ShopClient

RUSH_SECONDS = 1.0
VISITS = 3
PAUSE_BETWEEN_VISITS_SECONDS = (1.0, 4.0)
# The share of visitors that leave at once when the product is sold out.
LEAVES_WHEN_SOLD_OUT = 0.7


@dataclass
class Crowd:
    """`shoppers` simulated buyers of product `product_id`, who all come within the first second."""

    base_url: str
    product_id: int
    price: Price
    shoppers: int
    on_done: Callable[[], None]
    journal: Journal = field(default_factory=Journal)

    async def run(self) -> Journal:
        """Let every shopper try until it has bought or given up; returns the journal of all answers."""
        shop = ShopClient(self.base_url, self.journal)
        buying = Buying(shop, self.price)
        try:
            await asyncio.gather(*(self._shopper(shop, buying) for _ in range(self.shoppers)))
        finally:
            await buying.close()
            await shop.close()
        return self.journal

    async def _shopper(self, shop: ShopClient, buying: Buying) -> None:
        await asyncio.sleep(random.uniform(0, RUSH_SECONDS))
        try:
            for _ in range(VISITS):
                if await self._visit(shop, buying):
                    break
                await asyncio.sleep(random.uniform(*PAUSE_BETWEEN_VISITS_SECONDS))
        except GaveUp:
            pass
        finally:
            self.on_done()

    async def _visit(self, shop: ShopClient, buying: Buying) -> bool:
        """Try to buy once; returns whether this shopper is done."""
        product = (await shop.call("product", "GET", f"/api/v1/products/{self.product_id}")).json()
        if product["is_sold_out"] and random.random() < LEAVES_WHEN_SOLD_OUT:
            return False
        response = await shop.call("hold", "POST", "/api/v1/holds", wish(self.product_id))
        if response.status_code != 201:
            return False
        await buying.go_on(response.json())
        return True
