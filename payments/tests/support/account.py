"""A provider's account as its API shows it: events and payments of this shop and of others, listed on request."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from checkout.models import Order
from payments.models import PaymentAttempt
from payments.providers.payment_client import ListingFailed, Outcome, PaymentAnswer, PaymentObject, PaymentState
from payments.tests.support.stripe_events import event, intent

SHOP = "shop-1"


@dataclass
class Account:
    """A client of the provider's API. `events` are bodies or dicts, `payments` what it lists, both oldest first.

    `ahead` are the seconds by which the provider's clock is ahead of ours; with `breaks_after` its list of events ends
    in an error after so many.
    """

    events: list = field(default_factory=list)
    payments: list[PaymentObject] = field(default_factory=list)
    answers: dict[str, PaymentAnswer] = field(default_factory=dict)
    listed_since: list[datetime] = field(default_factory=list)
    ahead: float = 0
    breaks_after: int | None = None

    def is_enabled(self) -> bool:
        return True

    def slot_of(self, call, attempt=None) -> str:
        return f"test {call}"

    def list_events(self, *, since: datetime, before_page: Callable[[], None]) -> Iterator[bytes]:
        before_page()
        self.listed_since.append(since)
        for number, one in enumerate(reversed(self.events)):
            assert connection.in_atomic_block or connection.connection is None, "a connection is held"
            if number == self.breaks_after:
                raise ListingFailed("The provider does not answer.")
            if isinstance(one, bytes):
                yield one
            elif one["created"] >= since.timestamp():
                yield json.dumps(one).encode()

    def list_payments(self, *, since: datetime, before_page: Callable[[], None]) -> Iterator[PaymentObject]:
        before_page()
        assert connection.in_atomic_block or connection.connection is None, "a connection is held"
        yield from reversed(self.payments)

    def look_up_payment(self, payment_id: str, *, timeout: float) -> PaymentAnswer:
        assert connection.in_atomic_block or connection.connection is None, "a connection is held"
        return self.answers.get(payment_id, PaymentAnswer(outcome=Outcome.UNKNOWN))

    def succeed(self, order: Order, *, shop: str = SHOP, payment_id: str | None = None, age: float = 0) -> dict:
        """Let an order be paid `age` seconds ago; returns the event that the provider lists from then on."""
        payment_id = payment_id or f"pi_{uuid4().hex}"
        return self.happen("payment_intent.succeeded", _paid(order, payment_id, shop), age=age)

    def happen(self, kind: str, thing: dict, *, age: float = 0) -> dict:
        """Let something happen `age` seconds ago; returns the event that the provider lists from then on."""
        at = timezone.now().timestamp() - age + self.ahead
        self.events.append(event(kind, thing) | {"created": int(at)})
        return self.events[-1]

    def holds(self, order: Order, payment_id: str, *, shop: str = SHOP, **members) -> PaymentObject:
        """Let the account have a payment that succeeded; returns it as it is listed."""
        thing = _paid(order, payment_id, shop)
        body = json.dumps(event("payment_intent.succeeded", thing, event_id=f"{payment_id}:succeeded")).encode()
        described = {
            "object_id": payment_id, "payment_id": payment_id, "state": PaymentState.SUCCEEDED, "shop_id": shop,
            "amount": order.total_amount, "currency": order.currency, "event": body,
        }  # fmt: skip
        self.payments.append(PaymentObject(**described | members))
        return self.payments[-1]


def _paid(order: Order, payment_id: str, shop: str) -> dict:
    """Return the payment intent of an order that was paid in USD."""
    cents = int(order.total_amount * 100)
    metadata = {"order_id": str(order.pk), "shop_id": shop}
    return intent(order, id=payment_id, amount=cents, amount_received=cents, metadata=metadata)


def attempt_for(order: Order, payment_id: str, *, shop: str = SHOP) -> PaymentAttempt:
    """Return a payment that a shop made for an order, as it is once it was paid."""
    now = datetime.now(UTC)
    return PaymentAttempt.objects.create(
        order=order, number=1 + order.payment_attempts.count(), provider="stripe", shop_id=shop, kind="payment_intent",
        status="succeeded", amount=order.total_amount, currency=order.currency, object_id=payment_id,
        payment_id=payment_id, pay_until=now, created_at=now, key_used_at=now, ended_at=now,
    )  # fmt: skip
