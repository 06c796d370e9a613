"""A payment provider that misbehaves as real ones do: events are late, repeated, out of order, too early or wrong."""

import asyncio
import json
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from flashsale.simulation.client import ShopClient
from payments.providers import PROVIDERS

MAX_DELAY_SECONDS = 1.5

# How a payment may go, and how many of a hundred go this way.
HABITS = {
    "success": 40,
    "repeated": 15,
    "failure": 12,
    "failure_after_success": 8,
    "success_after_failure": 8,
    "charged_twice": 6,
    "wrong_amount": 5,
    "never": 6,
}


@dataclass(frozen=True)
class Bill:
    """What is to be paid: `reference` are the members by which the webhook names the order or hold."""

    reference: dict[str, str]
    amount: str
    currency: str
    payment_id: str


class FakeProvider:
    """Takes money and reports it to the shop, sooner or later."""

    def __init__(self, shop: ShopClient) -> None:
        self._shop = shop

    async def play_out(self, bill: Bill) -> str:
        """Make one payment with a random habit; returns the habit."""
        habit = random.choices(list(HABITS), weights=list(HABITS.values()))[0]
        await getattr(self, f"_{habit}")(bill)
        return habit

    async def announce_early(self, bill: Bill) -> None:
        """Report a payment before its order exists."""
        await self._send(bill, "success")

    async def _success(self, bill: Bill) -> None:
        await self._later(self._send(bill, "success"))

    async def _repeated(self, bill: Bill) -> None:
        key = str(uuid4())
        await asyncio.gather(*(self._later(self._send(bill, "success", key=key)) for _ in range(3)))

    async def _failure(self, bill: Bill) -> None:
        await self._later(self._send(bill, random.choice(["failure", "failed"])))

    async def _failure_after_success(self, bill: Bill) -> None:
        await asyncio.gather(self._later(self._send(bill, "success")), self._later(self._send(bill, "failure")))

    async def _success_after_failure(self, bill: Bill) -> None:
        await self._send(bill, "failure")
        await self._later(self._send(bill, "success"))

    async def _charged_twice(self, bill: Bill) -> None:
        second = Bill(bill.reference, bill.amount, bill.currency, payment_id=f"pay_{uuid4().hex}")
        await asyncio.gather(self._later(self._send(bill, "success")), self._later(self._send(second, "success")))

    async def _wrong_amount(self, bill: Bill) -> None:
        overpaid = Bill(bill.reference, str(Decimal(bill.amount) + 1), bill.currency, bill.payment_id)
        await self._send(overpaid, "success")
        await self._later(self._send(bill, "success"))

    async def _never(self, bill: Bill) -> None:
        """Send nothing: the order expires or is cancelled."""

    async def _later(self, sending: Any) -> None:
        await asyncio.sleep(random.uniform(0, MAX_DELAY_SECONDS))
        await sending

    async def _send(self, bill: Bill, status: str, *, key: str | None = None) -> None:
        key = key or str(uuid4())
        body = {
            "idempotency_key": key,
            "status": status,
            "payment_id": bill.payment_id,
            "amount": random.choice([bill.amount, float(bill.amount)]),
            "currency": random.choice([bill.currency, bill.currency.lower()]),
            **bill.reference,
        }
        content = json.dumps(body).encode()
        headers = PROVIDERS["standard"].sign(content, message_id=key)
        response = await self._shop.send("webhook", "POST", "/api/v1/payments/webhook", content, headers)
        if response.is_success:
            self._shop.journal.events.add(key)
            if status == "success":
                self._shop.journal.money_taken.add(bill.payment_id)
