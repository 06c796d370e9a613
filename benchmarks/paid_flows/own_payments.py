"""Whole paid flows with the shop's own payment: hold, order, payment, and the provider's webhook once it is paid.

Counted are flows for each second of processor time that the shop uses: its web server, PostgreSQL and Valkey, not the
provider, which is a process of its own. Beside each stands a flow whose storefront made the payment at the provider:

- How many flows at full load, each with a payment that the shop makes, beside the flows of revision `aadbd26`?
- How many at full load, while as many of them as Stripe's limit lets through have a payment that the shop makes?
- How many of those alone? At their rate, at which requests of the other flow share no transactions either.

All of this revision run in one web server. It is in local mode, where the provider's address need not be https, with
everything else as in production.
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import loads, processor_time
from benchmarks.baseline import REVISION, Baseline
from benchmarks.http_client import Client
from benchmarks.loads import AMPLE_STOCK, CLIENTS
from benchmarks.paid_flows import flows, provider
from benchmarks.results import Row, Side
from benchmarks.shop import ShopUnderTest, free_port, serving
from benchmarks.wrk import Load

# Below the flow of `aadbd26` by as much as a request, two transactions and one request to the provider may cost.
OF_OLD = 0.9
# The payment is one request, two transactions and one request to the provider more than the same flow without it.
BESIDE = 0.65
ALONE = 0.5
# What `STRIPE_REQUESTS_PER_SECOND` lets through by default. The measured shop has no limit.
PAYMENTS_PER_SECOND = 20
UNLIMITED = 1_000
REPEAT_SECONDS = 0.05
ACCEPTED = 202
WEBHOOK = "/api/v1/payments/webhooks/stripe"
EXPECTED = frozenset({200, 201, ACCEPTED})


class OwnPayments:
    """A web server of the shop that makes payments, and its provider; `stack` ends both."""

    def __init__(self, shop: ShopUnderTest, stack: contextlib.ExitStack, *, seconds: float) -> None:
        self._seconds = seconds
        provider_port = stack.enter_context(provider.serving_provider(shop))
        self._buyers = provider.Buyers(provider_port)
        environment = {
            "LOCAL_MODE": "1", "LOG_FORMAT": "json", "DEMO_SHOP": "0", "TRUST_CLAIMED_PAYMENT_IDS": "0",
            "STRIPE_API_BASE": f"http://127.0.0.1:{provider_port}", "STRIPE_API_KEY": provider.API_KEY,
            "STRIPE_PUBLISHABLE_KEY": provider.PUBLISHABLE_KEY, "STRIPE_WEBHOOK_SECRETS": provider.WEBHOOK_SECRET,
            "STRIPE_REQUESTS_PER_SECOND": str(UNLIMITED), "SHOP_ID": "bench",
        }  # fmt: skip
        self._shop = replace(shop, port=free_port(), environment=shop.environment | environment)
        self._processes = processor_time.processes_of(self._shop, stack.enter_context(serving(self._shop)))
        self._product_id = self._shop.add_product(stock=AMPLE_STOCK)

    def rows(self, old: Baseline) -> list[Row]:
        """Return the row of each question; `old` is the shop of `aadbd26`."""
        name, rate = "paid flows for each second of processor time", f"{PAYMENTS_PER_SECOND} a second"
        mixed = self._side(f"{name}, {rate} with the shop's own payment", self._mixed)
        today = self._side(f"{name}, none with it", self._flows)
        own = self._side(f"{name} at {rate}, all with the shop's own payment", partial(self._evenly, self._buy))
        few = self._side(f"{name} at {rate}, none with it", partial(self._evenly, self._buy_as_before))
        all_own = self._side(f"{name}, {CLIENTS} clients, all with the shop's own payment", self._own_flows)
        return [
            Row(OF_OLD, all_own, _side_of_old(f"{REVISION}, none with it", old, self._seconds)),
            Row(BESIDE, mixed, today),
            Row(ALONE, own, few),
        ]

    def _side(self, name: str, load: Callable[[], Coroutine[Any, Any, Load]]) -> Side:
        """Return a side that counts its flows as this module says."""
        return Side(name, lambda: _measured(self._processes, lambda: self._run(load())), EXPECTED)

    def _run(self, load: Coroutine[Any, Any, Load]) -> Load:
        return asyncio.run(self._until_closed(load))

    async def _until_closed(self, load: Coroutine[Any, Any, Load]) -> Load:
        try:
            return await load
        finally:
            await self._buyers.close()

    async def _flows(self) -> Load:
        return await flows.run_clients(self._shop.port, self._buy_as_before, clients=CLIENTS, seconds=self._seconds)

    async def _own_flows(self) -> Load:
        return await flows.run_clients(self._shop.port, self._buy, clients=CLIENTS, seconds=self._seconds)

    async def _evenly(self, buy: flows.Buy) -> Load:
        return await flows.run_evenly(self._shop.port, buy, per_second=PAYMENTS_PER_SECOND, seconds=self._seconds)

    async def _mixed(self) -> Load:
        today, own = await asyncio.gather(self._flows(), self._evenly(self._buy))
        statuses = Counter(today.statuses) + Counter(own.statuses)
        return replace(today, per_second=today.per_second + own.per_second, statuses=dict(statuses))

    async def _buy(self, client: Client, statuses: Counter) -> float:
        """Buy one unit, with a payment that the shop makes; returns how long that took, in milliseconds."""
        started = time.perf_counter()
        order = await self._order(client, statuses)
        secret = await self._start_payment(client, order["order_id"], statuses)
        webhook = await self._buyers.pay(secret.partition("_secret")[0])
        await self._tell(client, webhook, statuses)
        return 1000 * (time.perf_counter() - started)

    async def _buy_as_before(self, client: Client, statuses: Counter) -> float:
        """Do the same with a payment that the storefront made."""
        started = time.perf_counter()
        intent_id = f"pi_{uuid.uuid4().hex}"
        order = await self._order(client, statuses, payment_id=intent_id)
        await self._tell(client, provider.webhook_of(provider.paid_intent(intent_id, order)), statuses)
        return 1000 * (time.perf_counter() - started)

    async def _order(self, client: Client, statuses: Counter, **members: str) -> dict:
        """Hold one unit and order it; returns the order."""
        wanted = json.dumps({"product_id": self._product_id, "quantity": 1}).encode()
        status, hold = await client.post(flows.SHOP.holds, wanted, {})
        statuses[status] += 1
        body = json.dumps({"hold_id": hold["hold_id"], **members}).encode()
        status, order = await client.post(flows.SHOP.orders, body, {})
        statuses[status] += 1
        return order

    async def _tell(self, client: Client, webhook: provider.Webhook, statuses: Counter) -> None:
        """Send a webhook; its status counts as negative when the order is not paid."""
        status, receipt = await client.post(WEBHOOK, *webhook)
        statuses[status if receipt.get("order_status") == "paid" else -status] += 1

    async def _start_payment(self, client: Client, order_id: str, statuses: Counter) -> str:
        """Ask for the payment of an order, again while it is being made; returns its client secret."""
        while True:
            status, answer = await client.post(f"{flows.SHOP.orders}/{order_id}/payment", b"{}", {})
            statuses[status] += 1
            if status != ACCEPTED:
                return answer["payment"]["client_secret"]
            await asyncio.sleep(REPEAT_SECONDS)


def _measured(processes: list[int], run: Callable[[], Load]) -> Load:
    """Run a load; the result counts its flows for each second of processor time that these processes use."""
    used, started = processor_time.used_seconds(processes), time.perf_counter()
    result = run()
    seconds = time.perf_counter() - started
    used = processor_time.used_seconds(processes) - used
    return replace(result, per_second=result.per_second * seconds / used)


def _side_of_old(name: str, old: Baseline, seconds: float) -> Side:
    """Return the side of the flow of `aadbd26`, with its signed webhook."""
    shop, product_id = old.api, old.api.add_product(stock=AMPLE_STOCK)
    return Side(
        name, lambda: _measured(old.processes(), lambda: loads.pay(shop, flows.SHOP, product_id, seconds)), EXPECTED
    )
