"""Whole paid flows over HTTP: hold, order, signed webhook; each client waits for every answer before it goes on."""

import asyncio
import json
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.http_client import Client
from benchmarks.wrk import Load
from flashsale.core import webhook_signatures

BUSY = 503
# A client that buys at even intervals begins again after so long.
MAX_FLOW_SECONDS = 3


# Buys one unit and counts the answers by status; returns how long it took to pay in milliseconds, None without a hold.
Buy = Callable[[Client, Counter], Awaitable[float | None]]


@dataclass(frozen=True)
class Paths:
    """The paths of the three steps of a flow."""

    holds: str
    orders: str
    webhook: str


SHOP = Paths("/api/v1/holds", "/api/v1/orders", "/api/v1/payments/webhook")
ORDINARY = Paths("/bench/holds", "/bench/orders", "/bench/webhook")


async def _buy(client: Client, paths: Paths, product_id: int, key: bytes, statuses: Counter[int | str]) -> float | None:
    """Buy one unit; returns how long order and payment took, in milliseconds, or None when there was no hold."""
    status, hold = await client.post(paths.holds, json.dumps({"product_id": product_id, "quantity": 1}).encode(), {})
    statuses[status] += 1
    if status == BUSY:
        return None
    started = time.perf_counter()
    await pay(client, paths, hold, key, statuses)
    return 1000 * (time.perf_counter() - started)


async def pay(client: Client, paths: Paths, hold: dict, key: bytes, statuses: Counter) -> None:
    """Order a hold and send its signed webhook; the webhook's status counts as negative when the order is not paid."""
    payment_id = f"pay_{uuid.uuid4().hex}"
    purchase = {"hold_id": hold.get("hold_id") or hold.get("id"), "payment_id": payment_id}
    status, order = await client.post(paths.orders, json.dumps(purchase).encode(), {})
    statuses[status] += 1
    event = {
        "idempotency_key": payment_id, "status": "success", "order_id": order.get("order_id") or order.get("id"),
        "payment_id": payment_id, "amount": order["total_amount"], "currency": order["currency"],
    }  # fmt: skip
    body = json.dumps(event).encode()
    signed = webhook_signatures.signed_headers(key, message_id=payment_id, body=body)
    status, receipt = await client.post(paths.webhook, body, signed)
    statuses[status if receipt.get("order_status") == "paid" else -status] += 1


async def run_clients(port: int, buy: Buy, *, clients: int, seconds: float, only_paying: bool = False) -> Load:
    """Let `clients` call `buy` again and again for `seconds`, each on a connection of its own: see `run`."""
    latencies, paying, statuses, started = [], [], Counter(), time.perf_counter()

    async def one_client() -> None:
        client = Client(port)
        await client.open()
        while (now := time.perf_counter()) < started + seconds:
            paying_ms = await buy(client, statuses)
            if paying_ms is not None:
                latencies.append(1000 * (time.perf_counter() - now))
                paying.append(paying_ms)
        await client.close()

    await asyncio.gather(*(one_client() for _ in range(clients)))
    return _load(paying if only_paying else latencies, statuses, started)


async def run_evenly(port: int, buy: Buy, *, per_second: int, seconds: float) -> Load:
    """Call `buy` so often a second for `seconds`, at even intervals; latencies are of whole flows.

    Ends the program when so many flows last so long that the rate cannot be kept.
    """
    latencies, statuses, started = [], Counter(), time.perf_counter()
    clients = per_second * MAX_FLOW_SECONDS

    async def one_client(number: int) -> None:
        client, starts_at = Client(port), started + number / per_second
        await client.open()
        while starts_at < started + seconds:
            await asyncio.sleep(starts_at - time.perf_counter())
            if time.perf_counter() > starts_at + MAX_FLOW_SECONDS:
                sys.exit(f"A flow took more than {MAX_FLOW_SECONDS} s.")
            await buy(client, statuses)
            latencies.append(1000 * (time.perf_counter() - starts_at))
            starts_at += MAX_FLOW_SECONDS
        await client.close()

    await asyncio.gather(*map(one_client, range(clients)))
    return _load(latencies, statuses, started)


def _load(latencies: list[float], statuses: Counter, started: float) -> Load:
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies) / (time.perf_counter() - started), cuts[49], cuts[98], dict(statuses), lost=0)


def run(
    port: int, paths: Paths, *, product_id: int, key: bytes, clients: int, seconds: float, only_paying: bool = False
) -> Load:
    """Let `clients` buy one unit after the other for `seconds`; statuses are counted as `pay` does.

    Latencies are of whole flows, or with `only_paying` of the order and the payment.
    """

    def buy(client: Client, statuses: Counter) -> Awaitable[float | None]:
        return _buy(client, paths, product_id, key, statuses)

    return asyncio.run(run_clients(port, buy, clients=clients, seconds=seconds, only_paying=only_paying))
