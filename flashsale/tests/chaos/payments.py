"""The provider of the storms: how it misbehaves, and what must hold of the payments that the shop made there."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models import Q

from checkout.models import Order
from flashsale.core import clock
from flashsale.local_provider.running import RunningProvider, running
from flashsale.local_provider.storage import Thing
from flashsale.tests.support.processes import free_port
from payments import attempts
from payments.models import Payment, PaymentAttempt

KEYS = {"api_key": "sk_test_local", "publishable_key": "pk_test_local", "webhook_secret": "whsec_local"}
WEBHOOK_PATH = "/api/v1/payments/webhooks/stripe"
REQUESTS_PER_SECOND = 1_000
# A request that was sent so lately may be answered yet.
RECENT = timedelta(seconds=3)


@contextmanager
def open_provider() -> Iterator[tuple[RunningProvider, dict[str, str]]]:
    """Run a provider; gives the environment of the shop that uses it, too."""
    port = free_port()
    webhook_url = f"http://127.0.0.1:{port}{WEBHOOK_PATH}"
    with running(**KEYS, requests_per_second=10 * REQUESTS_PER_SECOND, webhook_url=webhook_url) as provider:
        environment = {
            "PORT": str(port),
            "STRIPE_API_BASE": provider.url, "STRIPE_API_KEY": KEYS["api_key"],
            "STRIPE_PUBLISHABLE_KEY": KEYS["publishable_key"], "STRIPE_WEBHOOK_SECRETS": KEYS["webhook_secret"],
            "SHOP_ID": "chaos", "STRIPE_REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND),
        }  # fmt: skip
        yield provider, environment


def share_settings(settings: Any, provider: RunningProvider) -> None:
    """Let this process ask the provider as the shop does."""
    settings.STRIPE_API_BASE, settings.STRIPE_API_KEY = provider.url, KEYS["api_key"]
    settings.SHOP_ID, settings.STRIPE_REQUESTS_PER_SECOND = "chaos", REQUESTS_PER_SECOND


def payments_are_settled(provider: RunningProvider) -> bool:
    """Ask about every payment that may be asked about now; say whether all are closed or known that have to be."""
    now, unknown = clock.now(), _unknown(provider)
    unended = PaymentAttempt.objects.filter(status__in=PaymentAttempt.UNENDED).exclude(asked_at__gt=now - RECENT)
    unended.filter(~Q(status="open") | Q(object_id__in=unknown)).update(next_ask_at=now)
    attempts.run_due()
    attempts.look_up_due()
    return not (unknown or PaymentAttempt.objects.filter(status__in=["creating", "closing"]).exists())


def broken_payments(provider: RunningProvider) -> list[str]:
    """Return a sentence for each order whose payments at the provider are not what they have to be."""
    by_order: defaultdict[str, list[Thing]] = defaultdict(list)
    for intent in provider.objects("payment_intent"):
        by_order[intent["metadata"]["order_id"]].append(intent)
    statuses = {str(pk): status for pk, status in Order.objects.values_list("pk", "status")}
    kept = dict(Payment.objects.values_list("payment_id", "status"))
    return [
        sentence
        for order_id, intents in by_order.items()
        for sentence in _broken(order_id, statuses[order_id], intents, kept)
    ]


def _broken(order_id: str, status: str, intents: list[Thing], kept: dict[str, str]) -> Iterator[str]:
    open_ones = [one["id"] for one in intents if one["status"] not in ("canceled", "succeeded")]
    if sum(one["status"] != "canceled" for one in intents) > 1:
        yield f"order {order_id} has several payments: {[one['id'] for one in intents]}"
    if open_ones and status != Order.Status.PENDING_PAYMENT:
        yield f"order {order_id} is {status}, and {open_ones} can be paid"
    for one in intents:
        due = "applied" if status == Order.Status.PAID else "refund_due"
        if one["status"] == "succeeded" and kept.get(one["id"]) not in (due, "refund_due"):
            yield f"order {order_id} is {status}, its money {one['id']} is {kept.get(one['id'])}"


def _unknown(provider: RunningProvider) -> set[str]:
    """Return the payments that succeeded and are not recorded."""
    paid = {one["id"] for one in provider.objects("payment_intent") if one["status"] == "succeeded"}
    return paid - set(Payment.objects.filter(payment_id__in=paid).values_list("payment_id", flat=True))
