"""The shopper's journey for Locust: look, hold, order, pay; at the end the answers are compared with the shop.

`SHOP_PRODUCT_ID` names the product, `STANDARD_WEBHOOK_SECRET` signs the payments (needed unless the shop is in local
mode without secrets). See docs/load.md.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import random
import time
import uuid
from typing import ClassVar

import httpx
from locust import FastHttpUser, between, events, task

PRODUCT_ID = int(os.environ.get("SHOP_PRODUCT_ID", "1"))
SECRET = os.environ.get("STANDARD_WEBHOOK_SECRET", "").removeprefix("whsec_")
REFUSALS = {409}
BUSY = 503

# The final check would log one line for each order.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Books:
    """What the shop answered to the shoppers of this Locust process."""

    held: ClassVar[set[str]] = set()
    paid: ClassVar[set[str]] = set()
    wrong: ClassVar[list[str]] = []


class Shopper(FastHttpUser):
    """A customer who looks at the product and buys one unit, or leaves when it is sold out."""

    wait_time = between(0.5, 2)

    @task
    def buy(self) -> None:
        """Go through one purchase; a `busy` answer is repeated with the same key after its Retry-After."""
        with self.client.get(f"/api/v1/products/{PRODUCT_ID}", name="product") as answer:
            if answer.status_code != 200 or answer.json()["is_sold_out"]:
                return
        hold = self._make("hold", "/api/v1/holds", {"product_id": PRODUCT_ID, "quantity": 1})
        if hold is None:
            return
        if hold["hold_id"] in Books.held:
            Books.wrong.append(f"hold {hold['hold_id']} was given twice")
        Books.held.add(hold["hold_id"])
        payment_id = f"pay_{uuid.uuid4().hex}"
        order = self._make("order", "/api/v1/orders", {"hold_id": hold["hold_id"], "payment_id": payment_id})
        if order is None:
            Books.wrong.append(f"hold {hold['hold_id']} could not be ordered")
            return
        self._pay(order, payment_id)

    def _make(self, name: str, path: str, body: dict) -> dict | None:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        while True:
            with self.client.post(path, json=body, headers=headers, name=name, catch_response=True) as answer:
                if answer.status_code in REFUSALS:
                    answer.success()
                    return None
                if answer.status_code == 201:
                    return answer.json()
                if answer.status_code != BUSY:
                    answer.failure(f"{answer.status_code} {answer.text[:100]}")
                    return None
                answer.success()
                wait = float(answer.headers.get("Retry-After", 1))
            time.sleep(wait + random.random())

    def _pay(self, order: dict, payment_id: str) -> None:
        event = {
            "idempotency_key": payment_id, "status": "success", "order_id": order["order_id"],
            "payment_id": payment_id, "amount": order["total_amount"], "currency": order["currency"],
        }  # fmt: skip
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/json"} | _signed(body, payment_id)
        with self.client.post("/api/v1/payments/webhook", data=body, headers=headers, name="webhook") as answer:
            if answer.status_code == 200 and answer.json()["order_status"] == "paid":
                Books.paid.add(order["order_id"])


def _signed(body: bytes, message_id: str) -> dict[str, str]:
    """Return the headers of Standard Webhooks, or none without a secret."""
    if not SECRET:
        return {}
    timestamp = str(int(time.time()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


@events.test_stop.add_listener
def check_the_books(environment, **_) -> None:
    """Compare the answers with the shop's present state; the exit code is 1 when they differ."""
    shop = httpx.Client(base_url=environment.host, timeout=10)
    product = shop.get(f"/api/v1/products/{PRODUCT_ID}").json()
    if product["available_stock"] < 0 or len(Books.paid) > product["total_stock"]:
        Books.wrong.append(f"oversold: {len(Books.paid)} paid orders of {product['total_stock']} units")
    for order_id in random.sample(sorted(Books.paid), min(200, len(Books.paid))):
        order = shop.get(f"/api/v1/orders/{order_id}").json()
        if order.get("status") != "paid":
            Books.wrong.append(f"order {order_id} was paid and is {order.get('status')}")
    print(f"{len(Books.held)} holds, {len(Books.paid)} paid orders, {len(Books.wrong)} broken promises")
    for sentence in Books.wrong[:20]:
        print(f"  {sentence}")
    if Books.wrong:
        environment.process_exit_code = 1
