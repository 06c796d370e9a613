"""The shoppers: they start within a second, place holds, release them or let them expire, order, pay, and retry."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import uuid4

from flashsale.simulation.client import GaveUp, Journal, ShopClient
from flashsale.simulation.provider import Bill, FakeProvider
from flashsale.simulation.shop_payments import PayingThroughShop, is_offered

RUSH_SECONDS = 1.0
VISITS = 3
PAUSE_BETWEEN_VISITS_SECONDS = (1.0, 4.0)
# The share of visitors that leave at once when the product is sold out.
LEAVES_WHEN_SOLD_OUT = 0.7
# The share of buyers who pay through the shop, where it makes payments.
PAYS_THROUGH_SHOP = 0.3
SHORT_TTL_SECONDS = 10
MAX_UNITS = 3


@dataclass
class Crowd:
    """`shoppers` simulated buyers of product `product_id`, who all come within the first second."""

    base_url: str
    product_id: int
    shoppers: int
    on_done: Callable[[], None]
    journal: Journal = field(default_factory=Journal)
    _paying: PayingThroughShop = field(init=False)

    async def run(self) -> Journal:
        """Let every shopper try until it has bought or given up; returns the journal of all answers."""
        shop = ShopClient(self.base_url, self.journal)
        self._paying = PayingThroughShop(shop)
        try:
            await asyncio.gather(*(self._shopper(shop, FakeProvider(shop)) for _ in range(self.shoppers)))
        finally:
            await self._paying.close()
            await shop.close()
        return self.journal

    async def _shopper(self, shop: ShopClient, provider: FakeProvider) -> None:
        await asyncio.sleep(random.uniform(0, RUSH_SECONDS))
        try:
            for _ in range(VISITS):
                if await self._visit(shop, provider):
                    break
                await asyncio.sleep(random.uniform(*PAUSE_BETWEEN_VISITS_SECONDS))
        except GaveUp:
            pass
        finally:
            self.on_done()

    async def _visit(self, shop: ShopClient, provider: FakeProvider) -> bool:
        """Try to buy once; returns whether this shopper is done."""
        product = (await shop.call("product", "GET", f"/api/v1/products/{self.product_id}")).json()
        if product["is_sold_out"] and random.random() < LEAVES_WHEN_SOLD_OUT:
            return False
        body = {"product_id": self.product_id, "quantity": random.randint(1, MAX_UNITS)}
        if random.random() < 0.2:
            body["ttl"] = SHORT_TTL_SECONDS
        response = await shop.call("hold", "POST", "/api/v1/holds", body)
        if response.status_code != 201:
            return False
        hold = response.json()
        self.journal.holds[hold["hold_id"]] = hold["quantity"]
        decision = random.random()
        if decision < 0.10:
            await shop.call("release", "DELETE", f"/api/v1/holds/{hold['hold_id']}")
        elif decision > 0.15 and is_offered() and random.random() < PAYS_THROUGH_SHOP:
            await self._order_and_pay_through_shop(shop, hold["hold_id"])
        elif decision > 0.15:  # the others let the hold expire
            price = str(Decimal(product["price"]) * hold["quantity"]), product["currency"]
            await self._order(shop, provider, hold["hold_id"], price=price)
        return True

    async def _order_and_pay_through_shop(self, shop: ShopClient, hold_id: str) -> None:
        response = await shop.call("order", "POST", "/api/v1/orders", {"hold_id": hold_id})
        if response.status_code != 201:
            return
        order_id = response.json()["order_id"]
        self.journal.orders.add(order_id)
        await self._paying.pay(order_id)
        if random.random() < 0.1:
            await shop.call("cancel", "POST", f"/api/v1/orders/{order_id}/cancel")
        await self._look(shop, order_id)

    async def _look(self, shop: ShopClient, order_id: str) -> None:
        polled = (await shop.call("look", "GET", f"/api/v1/orders/{order_id}")).json()
        if polled["status"] == "paid":
            self.journal.paid_orders.add(order_id)

    async def _order(self, shop: ShopClient, provider: FakeProvider, hold_id: str, *, price: tuple[str, str]) -> None:
        payment_id = f"pay_{uuid4().hex}"
        knows_payment = random.random() < 0.5
        early = random.random() < 0.15
        bill = Bill({"hold_id": hold_id}, *price, payment_id)
        body = {"hold_id": hold_id} | ({"payment_id": payment_id} if knows_payment else {})
        placing = shop.call("order", "POST", "/api/v1/orders", body)
        if early:
            response, _ = await asyncio.gather(placing, provider.announce_early(bill))
        else:
            response = await placing
        if response.status_code != 201:
            return
        order = response.json()
        self.journal.orders.add(order["order_id"])
        habit = await provider.play_out(Bill({"order_id": order["order_id"]}, *price, payment_id))
        if habit == "never" and random.random() < 0.5:
            await shop.call("cancel", "POST", f"/api/v1/orders/{order['order_id']}/cancel")
        await self._look(shop, order["order_id"])
