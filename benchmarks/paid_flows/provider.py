"""A payment provider in a process of its own: `python -m benchmarks.paid_flows.provider PORT`.

It answers the two requests of a flow as Stripe does, an intent that is made and its confirmation, and needs little
processor time itself, because the real one runs on other machines. It sends no webhooks: the load generator sends what
the provider would.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode

from benchmarks.checkouts import PROJECT
from benchmarks.http_client import Client
from benchmarks.shop import ShopUnderTest, free_port, wait_until_it_answers
from flashsale.local import child_process
from flashsale.local_provider.provider import API_VERSION

API_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET = "sk_test_bench", "pk_test_bench", "whsec_bench"
FORM = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/x-www-form-urlencoded"}
CARD = urlencode({"payment_method": "pm_card_visa"}).encode()
INTENTS = "/v1/payment_intents"

# Body and headers.
Webhook = tuple[bytes, dict[str, str]]


@contextlib.contextmanager
def serving_provider(shop: ShopUnderTest) -> Iterator[int]:
    """Run the provider until the block ends; yields its port."""
    port, log_file = free_port(), shop.state_dir / "provider.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.paid_flows.provider", str(port)], cwd=PROJECT, stdout=log, stderr=log,
            preexec_fn=child_process.child_setup(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
        )  # fmt: skip
    try:
        wait_until_it_answers("the provider", process, port, log_file)
        yield port
    finally:
        process.terminate()
        process.wait()


class Buyers:
    """The connections on which buyers pay at the provider; each is used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Client] = []

    async def pay(self, intent_id: str) -> Webhook:
        """Pay an intent as a buyer's browser does; return the webhook that tells of it."""
        async with self._connected() as client:
            _, intent = await client.post(f"{INTENTS}/{intent_id}/confirm", CARD, FORM)
        return webhook_of(intent)

    async def close(self) -> None:
        """Close all connections: they belong to the running event loop."""
        while self._idle:
            await self._idle.pop().close()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        if self._idle:
            client = self._idle.pop()
        else:
            client = Client(self._port)
            await client.open()
        yield client
        self._idle.append(client)


def paid_intent(intent_id: str, order: dict) -> dict:
    """Return an intent that a storefront made for an order, and that is paid."""
    amount = int(Decimal(order["total_amount"]).scaleb(2))
    return _intent(intent_id, amount, order["currency"].lower(), {"order_id": order["order_id"]}, status="succeeded")


def webhook_of(intent: dict) -> Webhook:
    """Return body and headers of the webhook that tells that an intent is paid, signed now."""
    now = int(time.time())
    event = {
        "id": f"evt_{uuid.uuid4().hex}", "object": "event", "api_version": API_VERSION, "created": now,
        "data": {"object": intent}, "livemode": False, "type": "payment_intent.succeeded",
    }  # fmt: skip
    body = json.dumps(event, indent=2).encode()
    signature = hmac.new(WEBHOOK_SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return body, {"Stripe-Signature": f"t={now},v1={signature}"}


def _intent(intent_id: str, amount: int, currency: str, metadata: dict[str, str], *, status: str) -> dict:
    """Return the members of Stripe's intents that a flow's intent has a value for."""
    return {
        "id": intent_id, "object": "payment_intent", "amount": amount,
        "amount_received": amount if status == "succeeded" else 0, "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_{intent_id[-20:]}", "confirmation_method": "automatic",
        "created": int(time.time()), "currency": currency, "description": f"Order {metadata['order_id']}",
        "livemode": False, "metadata": metadata, "payment_method_options": {"card": {"request_three_d_secure": None}},
        "payment_method_types": ["card"], "status": status,
    }  # fmt: skip


class _Provider:
    """The intents that were made, by their ids and by the idempotency keys of their requests."""

    def __init__(self) -> None:
        self._by_id: dict[str, dict] = {}
        self._by_key: dict[str, dict] = {}

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> dict:
        """Return the intent that a request makes or pays; any other request asks whether this server runs."""
        if path == INTENTS:
            key = headers["idempotency-key"]
            if key not in self._by_key:
                self._by_key[key] = self._make(dict(parse_qsl(body.decode())))
            return self._by_key[key]
        if path.startswith(INTENTS):
            intent = self._by_id[path.split("/")[3]]
            return intent | {"status": "succeeded", "amount_received": intent["amount"]}
        return {}

    def _make(self, form: dict[str, str]) -> dict:
        metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}
        intent_id = f"pi_{uuid.uuid4().hex}"
        made = _intent(intent_id, int(form["amount"]), form["currency"], metadata, status="requires_payment_method")
        self._by_id[intent_id] = made
        return made


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, with only as much of the protocol as is needed here."""

    def __init__(self, provider: _Provider) -> None:
        self._provider = provider
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if len(rest) < int(headers.get("content-length", "0")):
            return
        self._received = b""
        content = json.dumps(self._provider.answer(first.split(" ")[1], headers, rest)).encode()
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._transport.write(answer.encode() + content)


async def _serve(port: int) -> None:
    provider = _Provider()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(provider), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
