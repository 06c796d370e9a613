"""Answers to payment providers, and bodies about the payments that the shop makes."""

import math
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from flashsale.core import money
from flashsale.core.refusals import InvalidRequest
from flashsale.core.rest.fields import MONEY, MomentField, StrictTextField
from flashsale.core.rest.serializers import ClosedRequestSerializer, ResponseSerializer
from payments.attempts import AttemptView
from payments.inbox import Receipt
from payments.models import URL_LENGTH, Payment, PaymentAttempt, Refund, RefundRequest, WebhookEvent

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
    order_status = serializers.SerializerMethodField(
        help_text="Null while the order does not exist, and where the event was not judged by it."
    )
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


class RefundRequestOut(ResponseSerializer):
    """A decision to give money back, to put units back on sale, or both."""

    id = serializers.IntegerField()
    amount = serializers.SerializerMethodField(help_text="In the payment's currency; 0: units only.")
    restock_units = serializers.IntegerField(source="restocked_units", help_text="Units that went back on sale.")
    by_other_means = serializers.BooleanField(help_text="The money had been given back; the provider was not asked.")
    requested_by = serializers.CharField(source="author", help_text="The member of staff, or the API token.")
    note = serializers.CharField()
    created_at = MomentField()

    @extend_schema_field(MONEY)
    def get_amount(self, asked: RefundRequest) -> str:
        return money.render(asked.amount, asked.payment.currency)


class RefundAttemptOut(ResponseSerializer):
    """A refund at the payment's provider."""

    amount = serializers.SerializerMethodField()
    status = serializers.CharField(
        help_text="`sent`: not answered yet; `accepted`; `refused`; `failed`: accepted, but not delivered."
    )
    refund_id = serializers.CharField(allow_null=True, help_text="The provider's id.")
    created_at = MomentField()
    answered_at = MomentField(allow_null=True)

    @extend_schema_field(MONEY)
    def get_amount(self, refund: Refund) -> str:
        return money.render(refund.amount, refund.payment.currency)


class RecordedPaymentOut(ResponseSerializer):
    """Money that a provider reported as taken."""

    id = serializers.IntegerField(help_text="The shop's own id of it.")
    provider = serializers.CharField()
    payment_id = serializers.CharField(help_text="The provider's id, or its event's where it named no payment.")
    order_id = serializers.UUIDField(allow_null=True, help_text="Null: it belongs to no order.")
    amount = serializers.SerializerMethodField()
    currency = serializers.CharField(help_text="ISO 4217 code.")
    status = serializers.CharField(
        help_text="`applied` to its order; `refund_due`: no units could be given for it; `refunded`: all went back."
    )
    reason = serializers.CharField(help_text="Why it is due for refund, in a word; empty where it is not.")
    refunded_amount = serializers.SerializerMethodField(help_text="What went back so far.")
    due_amount = serializers.SerializerMethodField(help_text="What has to be given back at present.")
    created_at = MomentField()
    refunds = serializers.SerializerMethodField(help_text="What staff and API tokens asked for, the oldest first.")
    refund_attempts = serializers.SerializerMethodField(help_text="What its provider was asked for, the oldest first.")

    @extend_schema_field(MONEY)
    def get_amount(self, payment: Payment) -> str:
        return money.render(payment.amount, payment.currency)

    @extend_schema_field(MONEY)
    def get_refunded_amount(self, payment: Payment) -> str:
        return money.render(payment.refunded_amount, payment.currency)

    @extend_schema_field(MONEY)
    def get_due_amount(self, payment: Payment) -> str:
        return money.render(payment.amount_due, payment.currency)

    @extend_schema_field(RefundRequestOut(many=True))
    def get_refunds(self, payment: Payment) -> list[dict[str, Any]]:
        return [RefundRequestOut.data_of(asked) for asked in payment.refund_requests.all()]

    @extend_schema_field(RefundAttemptOut(many=True))
    def get_refund_attempts(self, payment: Payment) -> list[dict[str, Any]]:
        return [RefundAttemptOut.data_of(refund) for refund in payment.refunds.all()]


class OrderPaymentOut(ResponseSerializer):
    """The payment of an order."""

    order_id = serializers.UUIDField(source="attempt.order_id")
    payment = serializers.SerializerMethodField()

    @extend_schema_field(PaymentOut)
    def get_payment(self, view: AttemptView) -> dict[str, Any]:
        return PaymentOut.data_of(view)
