"""What a shopper does with a hold: releases it, lets it expire, or orders and pays, through the shop or elsewhere."""

import asyncio
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from flashsale.simulation.client import ShopClient
from flashsale.simulation.provider import Bill, FakeProvider
from flashsale.simulation.shop_payments import PayingThroughShop, is_offered

# The share of buyers who pay through the shop, where it makes payments.
PAYS_THROUGH_SHOP = 0.3
SHORT_TTL_SECONDS = 10
MAX_UNITS = 3


@dataclass(frozen=True)
class Price:
    """What one unit costs."""

    amount: Decimal
    currency: str


class Buying:
    """The way from a hold to a paid order, for all shoppers of a sale."""

    def __init__(self, shop: ShopClient, price: Price) -> None:
        self.journal = shop.journal
        self._shop = shop
        self._price = price
        self._provider = FakeProvider(shop)
        self._paying = PayingThroughShop(shop)

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._paying.close()

    async def go_on(self, hold: dict[str, Any]) -> None:
        """Do something with a hold that was answered. Raises `GaveUp`."""
        self.journal.holds[hold["hold_id"]] = hold["quantity"]
        decision = random.random()
        if decision < 0.10:
            await self._shop.call("release", "DELETE", f"/api/v1/holds/{hold['hold_id']}")
        elif decision > 0.15 and is_offered() and random.random() < PAYS_THROUGH_SHOP:
            await self._order_and_pay_through_shop(hold["hold_id"])
        elif decision > 0.15:  # the others let the hold expire
            price = str(self._price.amount * hold["quantity"]), self._price.currency
            await self._order(hold["hold_id"], price=price)

    async def _order_and_pay_through_shop(self, hold_id: str) -> None:
        response = await self._shop.call("order", "POST", "/api/v1/orders", {"hold_id": hold_id})
        if response.status_code != 201:
            return
        order_id = response.json()["order_id"]
        self.journal.orders.add(order_id)
        await self._paying.pay(order_id)
        if random.random() < 0.1:
            await self._shop.call("cancel", "POST", f"/api/v1/orders/{order_id}/cancel")
        await self._look(order_id)

    async def _look(self, order_id: str) -> None:
        polled = (await self._shop.call("look", "GET", f"/api/v1/orders/{order_id}")).json()
        if polled["status"] == "paid":
            self.journal.paid_orders.add(order_id)

    async def _order(self, hold_id: str, *, price: tuple[str, str]) -> None:
        payment_id = f"pay_{uuid4().hex}"
        knows_payment = random.random() < 0.5
        early = random.random() < 0.15
        bill = Bill({"hold_id": hold_id}, *price, payment_id)
        body = {"hold_id": hold_id} | ({"payment_id": payment_id} if knows_payment else {})
        placing = self._shop.call("order", "POST", "/api/v1/orders", body)
        if early:
            response, _ = await asyncio.gather(placing, self._provider.announce_early(bill))
        else:
            response = await placing
        if response.status_code != 201:
            return
        order = response.json()
        self.journal.orders.add(order["order_id"])
        habit = await self._provider.play_out(Bill({"order_id": order["order_id"]}, *price, payment_id))
        if habit == "never" and random.random() < 0.5:
            await self._shop.call("cancel", "POST", f"/api/v1/orders/{order['order_id']}/cancel")
        await self._look(order["order_id"])


def wish(product_id: int) -> dict[str, Any]:
    """Return the body of a request for a hold: some units, some of them for a short time."""
    body = {"product_id": product_id, "quantity": random.randint(1, MAX_UNITS)}
    return body | ({"ttl": SHORT_TTL_SECONDS} if random.random() < 0.2 else {})
