"""Stripe's events in its current format, and how they are sent."""

import json
import time
from uuid import uuid4

from stripe import WebhookSignature

from checkout.models import Order

PATH = "/api/v1/payments/webhooks/stripe"
OLD, NEW = "whsec_old0000000000000000000000000000", "whsec_new0000000000000000000000000000"
INTENT = "pi_3PjR2L2eZvKYlo2C1a2b3c4d"
UNKNOWN = "0c8080c5-68d4-454b-8ebb-62243f1c9cd8"


def event(kind: str, thing: dict, *, event_id: str | None = None, livemode: bool = True) -> dict:
    return {
        "id": event_id or f"evt_{uuid4().hex}",
        "object": "event",
        "api_version": "2026-09-30.clover",
        "created": int(time.time()),
        "data": {"object": thing},
        "livemode": livemode,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": str(uuid4())},
        "type": kind,
    }


def intent(order: Order, **members) -> dict:
    return {
        "id": INTENT,
        "object": "payment_intent",
        "amount": 5998,
        "amount_received": 5998,
        "currency": "usd",
        "metadata": {"order_id": str(order.pk)},
        "status": "succeeded",
        "latest_charge": "ch_1",
    } | members


def session(order: Order, **members) -> dict:
    return {
        "id": "cs_live_a1",
        "object": "checkout.session",
        "amount_total": 5998,
        "currency": "usd",
        "metadata": {"hold_id": str(order.hold_id)},
        "payment_intent": INTENT,
        "payment_status": "paid",
        "status": "complete",
    } | members


def charge(refunded: int, **members) -> dict:
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 5998,
        "amount_refunded": refunded,
        "currency": "usd",
        "metadata": {},
        "payment_intent": INTENT,
        "refunded": refunded == 5998,
    } | members


def failed_refund(
    kind: str = "refund.failed", *, refund_id: str = "re_1", amount: int = 5998, status: str = "failed"
) -> dict:
    refund = {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "charge": "ch_1",
        "currency": "usd",
        "failure_reason": "expired_or_canceled_card",
        "metadata": {},
        "payment_intent": INTENT,
        "status": status,
    }
    return event(kind, refund)


def send(api, body: dict | bytes, *, secret: str = NEW, age: int = 0, header: str | None = None):
    raw = body if isinstance(body, bytes) else json.dumps(body, indent=2).encode()
    if header is None:
        header = WebhookSignature.generate_signature_header(raw.decode(), secret, int(time.time()) - age)
    return api.generic("POST", PATH, raw, content_type="application/json", headers={"Stripe-Signature": header})


def outcome(response) -> str:
    assert response.status_code == 200, response.content
    return response.json()["outcome"]


def status_of(order: Order) -> str:
    return Order.objects.get(pk=order.pk).status
