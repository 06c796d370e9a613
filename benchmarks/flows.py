"""Whole paid flows over HTTP: hold, order, signed webhook; each client waits for every answer before it goes on."""

import asyncio
import json
import statistics
import time
import uuid
from collections import Counter
from dataclasses import dataclass

from benchmarks.wrk import Load
from flashsale.core import webhook_signatures

BUSY = 503


@dataclass(frozen=True)
class Paths:
    """The paths of the three steps of a flow."""

    holds: str
    orders: str
    webhook: str


SHOP = Paths("/api/v1/holds", "/api/v1/orders", "/api/v1/payments/webhook")
ORDINARY = Paths("/bench/holds", "/bench/orders", "/bench/webhook")


class Client:
    """One HTTP/1.1 connection, with only as much of the protocol as is needed here."""

    def __init__(self, port: int) -> None:
        self._port = port
        # The headers of the last answer; names and values in lower case.
        self.headers: dict[str, str] = {}

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict]:
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        answer = await self._reader.readexactly(int(self.headers["content-length"]))
        return int(head.split(" ", 2)[1]), json.loads(answer)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


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


async def _client(port: int, until: float, latencies: list[float], paying: list[float], *args) -> None:
    client = Client(port)
    await client.open()
    while time.perf_counter() < until:
        started = time.perf_counter()
        paying_ms = await _buy(client, *args)
        if paying_ms is not None:
            latencies.append(1000 * (time.perf_counter() - started))
            paying.append(paying_ms)
    await client.close()


async def _run(port: int, *args, clients: int, seconds: float, only_paying: bool) -> Load:
    latencies, paying, statuses, started = [], [], Counter(), time.perf_counter()
    until = started + seconds
    await asyncio.gather(*(_client(port, until, latencies, paying, *args, statuses) for _ in range(clients)))
    cuts = statistics.quantiles(paying if only_paying else latencies, n=100)
    return Load(len(latencies) / (time.perf_counter() - started), cuts[49], cuts[98], dict(statuses), lost=0)


def run(
    port: int, paths: Paths, *, product_id: int, key: bytes, clients: int, seconds: float, only_paying: bool = False
) -> Load:
    """Let `clients` buy one unit after the other for `seconds`; statuses are counted as `pay` does.

    Latencies are of whole flows, or with `only_paying` of the order and the payment.
    """
    return asyncio.run(_run(port, paths, product_id, key, clients=clients, seconds=seconds, only_paying=only_paying))
