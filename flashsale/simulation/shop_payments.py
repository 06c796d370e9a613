"""Shoppers who pay through the shop: it makes the payment at its provider, where the local one lets them pay.

What the provider takes reaches the shop by the provider's own webhooks, or because the shop asks.
"""

import asyncio
import random

import httpx
from django.conf import settings

from flashsale.simulation.client import ShopClient

CARDS = {"pm_card_visa": 80, "pm_card_chargeDeclined": 20}
REQUEST_TIMEOUT_SECONDS = 15
MAX_TRIES = 40
# A payment that is being made is asked for again, as the shop says.
MAX_REQUESTS = 30


def is_offered() -> bool:
    """Say whether the server's shop makes payments at the provider of local mode, where test cards pay."""
    return settings.LOCAL_MODE and settings.SHOP_MAKES_PAYMENTS


class PayingThroughShop:
    """Asks the shop for payments, and pays them at the provider with test cards."""

    def __init__(self, shop: ShopClient) -> None:
        self._shop = shop
        self._provider = httpx.AsyncClient(
            base_url=settings.STRIPE_API_BASE, timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False
        )

    async def pay(self, order_id: str) -> None:
        """Pay an order, or try to with a card that is declined, and let the shop ask what became of it."""
        payment = await self._payment_of(order_id)
        if payment is None:
            return
        intent_id = payment["client_secret"].partition("_secret_")[0]
        card = random.choices(list(CARDS), weights=list(CARDS.values()))[0]
        if await self._confirm(intent_id, payment, card):
            self._shop.journal.money_taken.add(intent_id)
        await self._shop.call("check", "POST", f"/api/v1/orders/{order_id}/payment/check")

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._provider.aclose()

    async def _payment_of(self, order_id: str) -> dict | None:
        """Return the payment of an order once it is open; None when the shop refuses, or does not answer in time."""
        for _ in range(MAX_REQUESTS):
            answer = await self._shop.call("payment", "POST", f"/api/v1/orders/{order_id}/payment", {})
            if answer.status_code in (200, 201):
                return answer.json()["payment"]
            if answer.status_code != 202:
                return None
            await asyncio.sleep(float(answer.headers["Retry-After"]) * random.uniform(0.8, 1.5))
        return None

    async def _confirm(self, intent_id: str, payment: dict, card: str) -> bool:
        """Pay as the buyer's browser does, again when there are too many requests; say whether it was paid."""
        form = {"client_secret": payment["client_secret"], "key": payment["publishable_key"], "payment_method": card}
        for _ in range(MAX_TRIES):
            answer = await self._provider.post(f"/v1/payment_intents/{intent_id}/confirm", data=form)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return answer.is_success
            await asyncio.sleep(random.uniform(0.2, 1.0))
        return False
