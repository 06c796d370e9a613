"""A crowd that repeats each request under the same key until it has a definite answer."""

import json
import random
import threading
import time
import uuid
from collections.abc import Callable

import httpx

from catalog.models import Product
from flashsale.tests.chaos.history import BUSY, DONE, REFUSED, UNKNOWN, Answer, History, read
from flashsale.tests.support.processes import WAIT_SECONDS

SHOPPERS = 12
CUSTOMERS = 40
TTL_SECONDS = 10
TIMEOUT_SECONDS = 20
PAUSE_SECONDS = 0.05
# After the storm everything must get a definite answer within this.
PATIENCE_SECONDS = WAIT_SECONDS


class Crowd:
    """Shoppers in threads that buy until `stop`; `broken` lists their exceptions."""

    def __init__(self, url: str, products: list[Product]) -> None:
        self._url = url
        self._products = products
        self._stop = threading.Event()
        self.history = History()
        self.broken: list[str] = []
        self._threads = [threading.Thread(target=self._shop, args=(number,)) for number in range(SHOPPERS)]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _shop(self, number: int) -> None:
        dice = random.Random(number)
        with httpx.Client(base_url=self._url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            while not self._stop.is_set():
                try:
                    self._buy(client, dice)
                except Exception as error:
                    self.broken.append(f"shopper {number}: {type(error).__name__} {error}")
                    return

    def _buy(self, client: httpx.Client, dice: random.Random) -> None:
        wanted = {
            "product_id": dice.choice(self._products).pk,
            "quantity": dice.randint(1, 2),
            "customer_id": f"customer-{dice.randrange(CUSTOMERS)}",
            "ttl": TTL_SECONDS,
        }
        hold = self._definite("hold", client, "/api/v1/holds", wanted, key=str(uuid.uuid4()))
        if hold.outcome == REFUSED:
            return
        hold_id, mind = hold.body["hold_id"], dice.random()
        if mind < 0.15:
            self._again(lambda: self._ask("release", hold_id, client, "DELETE", f"/api/v1/holds/{hold_id}"))
            return
        order = self._definite("order", client, "/api/v1/orders", {"hold_id": hold_id}, key=str(uuid.uuid4()))
        if order.outcome == DONE and mind > 0.25:
            self._pay(client, order, fails=mind > 0.9, cancels=mind < 0.35)

    def _pay(self, client: httpx.Client, order: Answer, *, fails: bool, cancels: bool) -> None:
        order_id = order.body["order_id"]
        if cancels:
            path = f"/api/v1/orders/{order_id}/cancel"
            self._again(lambda: self._ask("cancel", order_id, client, "POST", path))
        key = str(uuid.uuid4())
        event = {
            "idempotency_key": key, "status": "failure" if fails else "success", "order_id": order_id,
            "payment_id": f"pay_{key}", "amount": order.body["total_amount"], "currency": order.body["currency"],
        }  # fmt: skip
        self._again(lambda: self._ask("event", key, client, "POST", "/api/v1/payments/webhook", event))

    def _definite(self, kind: str, client: httpx.Client, path: str, body: dict, *, key: str) -> Answer:
        return self._again(lambda: self._ask(kind, key, client, "POST", path, body, {"Idempotency-Key": key}))

    def _again(self, ask: Callable[[], Answer]) -> Answer:
        """Repeat until the answer is definite; the time limit starts when the storm is over."""
        deadline = None
        while (answer := ask()).outcome in (BUSY, UNKNOWN):
            if self._stop.is_set():
                deadline = deadline or time.monotonic() + PATIENCE_SECONDS
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{answer.kind} has no definite answer: {answer.code}")
            time.sleep(random.uniform(PAUSE_SECONDS, 4 * PAUSE_SECONDS))
        return answer

    def _ask(
        self, kind: str, key: str, client: httpx.Client, method: str, path: str, body: dict | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | (headers or {})
        try:
            response = client.request(method, path, content=content, headers=sent)
        except httpx.TransportError:
            response = None
        answer = read(kind, key, response)
        self.history.note(answer)
        return answer
