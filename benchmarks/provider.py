"""The local provider in a process of its own: `python -m benchmarks.provider PORT`.

It has no rate limit, and sends no webhooks: the load generator pays at it, and sends what the provider would.
"""

import contextlib
import hashlib
import hmac
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlencode

from benchmarks.checkouts import PROJECT
from benchmarks.http_client import Client
from benchmarks.shop import ShopUnderTest, free_port, wait_until_it_answers
from flashsale.local import child_process
from flashsale.local_provider.provider import API_VERSION
from flashsale.local_provider.running import running

API_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET = "sk_test_bench", "pk_test_bench", "whsec_bench"
UNLIMITED = 1_000_000
FORM = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/x-www-form-urlencoded"}
CARD = urlencode({"payment_method": "pm_card_visa"}).encode()

# Body and headers.
Webhook = tuple[bytes, dict[str, str]]


@contextlib.contextmanager
def serving_provider(shop: ShopUnderTest) -> Iterator[int]:
    """Run the provider until the block ends; yields its port."""
    port, log_file = free_port(), shop.state_dir / "provider.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.provider", str(port)], cwd=PROJECT, stdout=log, stderr=log,
            preexec_fn=child_process.child_setup(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
        )  # fmt: skip
    try:
        wait_until_it_answers("the provider", process, port, log_file)
        yield port
    finally:
        process.terminate()
        process.wait()


async def pay(port: int, intent_id: str) -> Webhook:
    """Pay an intent as a buyer's browser does; return the webhook that tells of it."""
    client = Client(port)
    await client.open()
    _, intent = await client.post(f"/v1/payment_intents/{intent_id}/confirm", CARD, FORM)
    await client.close()
    return webhook_of(intent)


def paid_intent(intent_id: str, order: dict) -> dict:
    """Return an intent that a storefront made for an order, and that is paid."""
    amount = int(Decimal(order["total_amount"]).scaleb(2))
    return {
        "id": intent_id, "object": "payment_intent", "amount": amount, "amount_received": amount,
        "created": int(time.time()), "currency": order["currency"].lower(), "livemode": False,
        "metadata": {"order_id": order["order_id"]}, "payment_method_types": ["card"], "status": "succeeded",
    }  # fmt: skip


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


def main() -> None:
    """Serve until the process is ended."""
    port = int(sys.argv[1])
    keys = {"api_key": API_KEY, "publishable_key": PUBLISHABLE_KEY, "webhook_secret": WEBHOOK_SECRET}
    with running(port=port, requests_per_second=UNLIMITED, **keys) as provider:
        provider.set_habits(webhooks="never")
        signal.pause()


if __name__ == "__main__":
    main()
