"""The provider inside this process, on a free port: for tests, and for programs that want one of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flashsale.local_provider import control
from flashsale.local_provider.api import cards, charging, refunds, sessions
from flashsale.local_provider.api.errors import ApiError
from flashsale.local_provider.behaviour.faults import FAULTS, Fault
from flashsale.local_provider.behaviour.habits import NextFault
from flashsale.local_provider.behaviour.rate_limit import REQUESTS_PER_SECOND
from flashsale.local_provider.provider import Keys, Provider, Received
from flashsale.local_provider.server import Server
from flashsale.local_provider.storage import Thing, shown

DAY_SECONDS = 24 * 3600
POLL_SECONDS = 0.02


class RunningProvider:
    """A provider that runs: what a buyer, the provider's staff and time do to it, and what it received.

    Without a webhook address its events wait for `take_webhooks`.
    """

    def __init__(self, provider: Provider, url: str) -> None:
        self.provider = provider
        self.url = url

    def set_habits(self, **habits: Any) -> None:
        """Replace all habits, as `POST /habits` does; without any it behaves well."""
        control.set_habits(self.provider, habits)

    def fail_next(self, *faults: str | Fault, endpoint: str = "") -> None:
        """Plan faults for the next requests to an endpoint such as `POST /v1/refunds`, one each."""
        planned = [NextFault(one, "", endpoint) if isinstance(one, Fault) else NextFault(FAULTS[one], one, endpoint)
                   for one in faults]  # fmt: skip
        with self.provider.lock:
            self.provider.habits.next += planned

    def pay(self, object_id: str, *, card: str = cards.VISA) -> Thing:
        """Pay an intent or a session as a buyer does, and return it. Raises `ApiError` when it cannot be paid."""
        with self.provider.lock:
            try:
                if object_id.startswith("cs_"):
                    sessions.pay(self.provider, sessions.find(self.provider, object_id), card)
                else:
                    self._confirm(object_id, card)
            finally:
                self.provider.commit()
            return self.find(object_id)

    def decline(self, object_id: str) -> Thing:
        """Let a buyer try to pay with a card that is declined, and return the intent or session."""
        try:
            self.pay(object_id, card=cards.DECLINED)
        except ApiError as error:
            if error.http_status != 402:
                raise
        return self.find(object_id)

    def settle(self, object_id: str, outcome: str) -> None:
        """End a payment in processing (`succeeded`, `failed`), or a refund (also `canceled`)."""
        control.settle(self.provider, {"id": object_id, "outcome": outcome})

    def find(self, object_id: str) -> Thing:
        """Return an object of any kind as it is now; raises `KeyError`."""
        with self.provider.lock:
            for kind in ("payment_intent", sessions.KIND, "charge", "refund"):
                if (thing := self.provider.storage.find(kind, object_id)) is not None:
                    return shown(thing)
        raise KeyError(object_id)

    def objects(self, kind: str) -> list[Thing]:
        """Return all objects of a kind (`payment_intent`, `checkout.session`, `charge`, `refund`), oldest first."""
        with self.provider.lock:
            return [shown(one) for one in self.provider.storage.newest_first(kind)][::-1]

    def events(self, *types: str) -> list[Thing]:
        """Return the events, of some types only when these are given, oldest first."""
        with self.provider.lock:
            return [one for one in self.provider.storage.events.values() if not types or one["type"] in types]

    def take_webhooks(self) -> list[tuple[bytes, dict[str, str]]]:
        """Return body and headers of the deliveries that are planned, as the habits order them, and forget them."""
        with self.provider.lock:
            return self.provider.webhooks.take()

    def received(self, endpoint: str = "") -> list[Received]:
        """Return the requests received, in order, of one endpoint such as `POST /v1/refunds` only when it is given."""
        with self.provider.lock:
            return [one for one in self.provider.received if endpoint in ("", one.endpoint)]

    def let_a_day_pass(self) -> None:
        """Let a day pass for the idempotency keys."""
        with self.provider.lock:
            self.provider.idempotency.age(seconds=DAY_SECONDS)

    def end_waiting(self) -> None:
        """Send the answers that are delayed, and close the connections that hang, now."""
        self.provider.end_waiting()

    def freeze_rate_limits(self) -> None:
        """Stop the clock of the rate limits, so that no request leaves their window."""
        self.provider.rate_limiter.freeze()

    def add_paid_intent(
        self, intent_id: str, amount: int, *, currency: str = "usd", metadata: dict[str, str] | None = None
    ) -> Thing:
        """Add a payment of `amount` minor units that was made before, without events."""
        intent = charging.new_intent(self.provider, amount=amount, currency=currency, metadata=metadata or {})
        with self.provider.lock:
            intent["id"] = intent_id
            charging.take_money(self.provider, intent)
            self.provider.commit()
        return shown(intent)

    def add_refund(
        self, intent_id: str, amount: int, *, status: str = "succeeded", metadata: dict[str, str] | None = None
    ) -> Thing:
        """Give back a part of a payment, in minor units; without metadata as if it was done in the dashboard."""
        with self.provider.lock:
            charge = self.provider.storage.find("charge", self.find(intent_id)["latest_charge"])
            refund = refunds.add(self.provider, charge, amount=amount, status=status, metadata=metadata or {})
            self.provider.commit()
        return shown(refund)

    def given_back(self, intent_id: str) -> int:
        """Return how many minor units of a payment were refunded."""
        return self.find(self.find(intent_id)["latest_charge"])["amount_refunded"]

    def _confirm(self, intent_id: str, card: str) -> None:
        intent = self.provider.storage.find("payment_intent", intent_id)
        if intent is None or intent["status"] not in charging.PAYABLE:
            raise ApiError(400, "invalid_request_error", f"{intent_id} cannot be paid.")
        charging.confirm(self.provider, intent, card)


@contextmanager
def running(
    *,
    api_key: str = "sk_test_local",
    publishable_key: str = "pk_test_local",
    webhook_secret: str = "whsec_local",  # noqa: S107 - a secret of this process only
    webhook_url: str = "",
    journal: Path | None = None,
    port: int = 0,
    requests_per_second: int = REQUESTS_PER_SECOND,
) -> Iterator[RunningProvider]:
    """Run a provider until the block ends, on a free port of this machine when `port` is 0."""
    keys = Keys(api_key, publishable_key, webhook_secret)
    provider = Provider(keys, webhook_url=webhook_url, journal=journal, requests_per_second=requests_per_second)
    server = Server(provider, port)
    provider.start()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True)
    thread.start()
    try:
        yield RunningProvider(provider, server.url)
    finally:
        server.shutdown()
        server.server_close()
        provider.close()
        thread.join()
