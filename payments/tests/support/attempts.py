"""Payments that the shop makes, for tests: asked for over the API, made to age, told of by the provider."""

from datetime import timedelta

from django.db.models import F
from rest_framework.test import APIClient

from checkout.models import Order
from payments import attempt_records, attempts
from payments.models import PaymentAttempt

WEBHOOK_PATH = "/api/v1/payments/webhooks/stripe"


def start(api: APIClient, order: Order, **body):
    """Ask for the payment of an order; returns the response."""
    return api.post(f"/api/v1/orders/{order.pk}/payment", body)


def add_unasked(order: Order) -> None:
    """Add a payment of an order that its provider was not asked for yet."""
    attempt = attempt_records.new(
        order, client_name="stripe", return_url="", pay_until=order.payment_due_at, now=order.created_at
    )
    attempt_records.add([attempt])


def check(api: APIClient, order: Order):
    """Let the shop ask the provider about an order; returns the response."""
    return api.post(f"/api/v1/orders/{order.pk}/payment/check")


def shown(api: APIClient, order: Order) -> dict:
    """Return the order as the API shows it."""
    return api.get(f"/api/v1/orders/{order.pk}").json()


def deliver(api: APIClient, provider) -> list:
    """Post to the shop what the provider has to tell; returns the responses."""
    return [
        api.post(WEBHOOK_PATH, data=body, content_type="application/json", headers=headers)
        for body, headers in provider.take_webhooks()
    ]


def let_attempt_pass(attempt: PaymentAttempt, *, seconds: float) -> None:
    """Move an attempt into the past, so that by the database's clock it is older by `seconds`."""
    past = timedelta(seconds=seconds)
    columns = ("created_at", "pay_until", "asked_at", "next_ask_at", "key_used_at", "shown_at")
    PaymentAttempt.objects.filter(pk=attempt.pk).update(**{name: F(name) - past for name in columns})


def only_attempt() -> PaymentAttempt:
    """Return the only attempt there is."""
    return PaymentAttempt.objects.get()


def close_all() -> None:
    """Let the task run until nothing is due."""
    while attempts.run_due():
        pass
