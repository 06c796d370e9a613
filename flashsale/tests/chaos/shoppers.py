"""A crowd that repeats each request under the same key until it has a definite answer."""

import contextlib
import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import httpx

from catalog.models import Product
from flashsale.core.webhook_signatures import signed_headers
from flashsale.local_provider.api.errors import ApiError
from flashsale.local_provider.running import RunningProvider
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
    """Shoppers in threads that buy until `stop`; `broken` lists their exceptions.

    With a provider every other order is paid through the shop there. `arrive` is entered by each shopper's thread;
    with a `webhook_key` payments are signed; a shopper waits up to `pace_seconds` before the next purchase.
    """

    def __init__(
        self,
        url: str,
        products: list[Product],
        provider: RunningProvider | None = None,
        *,
        shoppers: int = SHOPPERS,
        arrive: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        webhook_key: bytes | None = None,
        pace_seconds: float = 0,
    ) -> None:
        self._url = url
        self._products = products
        self._provider = provider
        self._arrive, self._webhook_key, self._pace_seconds = arrive, webhook_key, pace_seconds
        self._stop = threading.Event()
        self.history = History()
        self.broken: list[str] = []
        self._threads = [threading.Thread(target=self._shop, args=(number,)) for number in range(shoppers)]

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
        with (
            self._arrive(),
            httpx.Client(base_url=self._url, timeout=TIMEOUT_SECONDS, trust_env=False) as client,
        ):
            while not self._stop.wait(dice.random() * self._pace_seconds):
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
        if order.outcome == DONE and mind > 0.25 and self._provider is not None and dice.random() < 0.5:
            self._pay_through_the_shop(client, order.body["order_id"], self._provider, mind)
        elif order.outcome == DONE and mind > 0.25:
            self._pay(client, order, fails=mind > 0.9, cancels=mind < 0.35)

    def _pay_through_the_shop(
        self, client: httpx.Client, order_id: str, provider: RunningProvider, mind: float
    ) -> None:
        """Pay, or cancel the order before, between, or after; a payment that was closed meanwhile is declined."""
        if mind < 0.3:
            self._cancel(client, order_id)
        path = f"/api/v1/orders/{order_id}/payment"
        payment = self._again(lambda: self._ask("payment", order_id, client, "POST", path, {}), gives_up=True)
        if payment.outcome != DONE:
            return
        if mind < 0.4:
            self._cancel(client, order_id)
        if mind < 0.9:
            with contextlib.suppress(ApiError):
                provider.pay(payment.body["payment"]["client_secret"].partition("_secret")[0])
        if mind > 0.7:
            self._again(lambda: self._ask("check", order_id, client, "POST", f"{path}/check"))

    def _cancel(self, client: httpx.Client, order_id: str) -> None:
        path = f"/api/v1/orders/{order_id}/cancel"
        self._again(lambda: self._ask("cancel", order_id, client, "POST", path))

    def _pay(self, client: httpx.Client, order: Answer, *, fails: bool, cancels: bool) -> None:
        order_id = order.body["order_id"]
        if cancels:
            self._cancel(client, order_id)
        key = str(uuid.uuid4())
        event = {
            "idempotency_key": key, "status": "failure" if fails else "success", "order_id": order_id,
            "payment_id": f"pay_{key}", "amount": order.body["total_amount"], "currency": order.body["currency"],
        }  # fmt: skip
        self._again(lambda: self._ask("event", key, client, "POST", "/api/v1/payments/webhook", event))

    def _definite(self, kind: str, client: httpx.Client, path: str, body: dict, *, key: str) -> Answer:
        return self._again(lambda: self._ask(kind, key, client, "POST", path, body, {"Idempotency-Key": key}))

    def _again(self, ask: Callable[[], Answer], *, gives_up: bool = False) -> Answer:
        """Repeat until the answer is definite; the time limit starts when the storm is over, or ends it then."""
        deadline = None
        while (answer := ask()).outcome in (BUSY, UNKNOWN):
            if self._stop.is_set():
                if gives_up:
                    return answer
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
        if kind == "event" and self._webhook_key:
            sent |= signed_headers(self._webhook_key, message_id=key, body=content)
        began = time.monotonic()
        try:
            response = client.request(method, path, content=content, headers=sent)
        except httpx.TransportError:
            response = None
        answer = replace(read(kind, key, response), seconds=time.monotonic() - began)
        self.history.note(answer)
        return answer
