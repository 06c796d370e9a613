"""Answers to payment providers, and bodies about the payments that the shop makes."""

import math
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from flashsale.core.refusals import InvalidRequest
from flashsale.core.rest.fields import MomentField, StrictTextField
from flashsale.core.rest.serializers import ClosedRequestSerializer, ResponseSerializer
from payments.attempts import AttemptView
from payments.inbox import Receipt
from payments.models import URL_LENGTH, PaymentAttempt, WebhookEvent

REPLAY_MESSAGE = "Already handled"
MESSAGES: dict[str, str] = {
    WebhookEvent.Status.PARKED: "Order not found yet",
    WebhookEvent.Status.NEEDS_REVIEW: "Webhook stored for review",
    WebhookEvent.Status.RECEIVED: "Webhook stored",
    WebhookEvent.Status.FAILED: "Webhook stored",
    WebhookEvent.Status.DEAD: "Webhook stored for review",
}


class ReceiptOut(ResponseSerializer):
    """The outcome of an event so far."""

    message = serializers.SerializerMethodField(help_text="For people; programs look at `outcome`.")
    outcome = serializers.CharField(
        source="event.status",
        help_text="`applied`, `ignored`, `parked` (its order does not exist yet), `needs_review` (staff look at it);"
        " `received` or `failed` while the worker is to finish it, `dead` when it gave up.",
    )
    idempotency_key = serializers.CharField(source="event.event_id", help_text="The event's id.")
    order_id = serializers.SerializerMethodField(help_text="The order it is about, if it is known.")
    order_status = serializers.SerializerMethodField(help_text="Null while the order does not exist.")
    payment_id = serializers.SerializerMethodField()

    def get_message(self, receipt: Receipt) -> str:
        if receipt.is_replay:
            return REPLAY_MESSAGE
        return MESSAGES.get(receipt.event.status, "Webhook processed")

    def get_order_id(self, receipt: Receipt) -> str | None:
        order_id = receipt.event.order_id or receipt.event.order_ref
        return str(order_id) if order_id else None

    def get_order_status(self, receipt: Receipt) -> str | None:
        order = receipt.event.order
        return order.status_at(receipt.answered_at) if order else None

    def get_payment_id(self, receipt: Receipt) -> str | None:
        order = receipt.event.order
        return receipt.event.payment_ref or (order.payment_id if order else None)


class StartPayment(ClosedRequestSerializer):
    """`return_url` is where hosted checkout sends the buyer back to. No other member is taken."""

    return_url = StrictTextField(max_length=URL_LENGTH, required=False)
    unknown_message = "This member is not taken: the amount and all else are the order's."

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        members: dict[str, Any] = super().to_internal_value(data)
        if "return_url" in members:
            check_return_url(members["return_url"])
        return members


def check_return_url(url: str) -> None:
    """Raise `InvalidRequest` unless a buyer may be sent back to this address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    schemes = ("https", "http") if settings.LOCAL_MODE else ("https",)
    is_plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not is_plain or parts.scheme not in schemes or parts.username is not None or not host:
        raise InvalidRequest("This must be an https address.", pointer="#/return_url", error_code="not_an_address")
    of_origins = [urlsplit(origin).hostname or "" for origin in settings.CORS_ALLOWED_ORIGINS]
    if not validate_host(host, [*settings.ALLOWED_HOSTS, *of_origins, *settings.PAYMENT_RETURN_HOSTS]):
        raise InvalidRequest(
            "Its host is none to which buyers may return.", pointer="#/return_url", error_code="unknown_host"
        )


class PaymentOut(ResponseSerializer):
    """What a storefront needs to take a payment."""

    provider = serializers.CharField(source="attempt.provider")
    kind = serializers.CharField(source="attempt.kind", help_text="`payment_intent` or `checkout_session`.")
    status = serializers.CharField(
        source="attempt.status", help_text="`open`: it can be paid; `creating`: ask again after `Retry-After`."
    )
    client_secret = serializers.SerializerMethodField(
        help_text="With it the buyer's browser pays a payment intent; null while it is `creating`, and of a session."
    )
    url = serializers.SerializerMethodField(help_text="The page of a session; null otherwise.")
    publishable_key = serializers.SerializerMethodField(help_text="The shop's key for the provider's script.")
    pay_until = MomentField(source="attempt.pay_until", help_text="Until when it can be paid; then it is closed.")
    pay_until_in_seconds = serializers.SerializerMethodField(help_text="Whole seconds until `pay_until`, rounded down.")

    @extend_schema_field({"type": ["string", "null"]})
    def get_client_secret(self, view: AttemptView) -> str | None:
        is_intent = view.attempt.kind == PaymentAttempt.Kind.PAYMENT_INTENT
        return view.attempt.client_secret if is_intent and view.is_open else None

    @extend_schema_field({"type": ["string", "null"]})
    def get_url(self, view: AttemptView) -> str | None:
        return view.attempt.url or None if view.is_open else None

    def get_publishable_key(self, view: AttemptView) -> str:
        return settings.STRIPE_PUBLISHABLE_KEY

    def get_pay_until_in_seconds(self, view: AttemptView) -> int:
        return max(0, math.floor((view.attempt.pay_until - view.read_at).total_seconds()))


class OrderPaymentOut(ResponseSerializer):
    """The payment of an order."""

    order_id = serializers.UUIDField(source="attempt.order_id")
    payment = serializers.SerializerMethodField()

    @extend_schema_field(PaymentOut)
    def get_payment(self, view: AttemptView) -> dict[str, Any]:
        return PaymentOut.data_of(view)
