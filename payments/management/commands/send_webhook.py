"""`manage.py send_webhook`: sends an event as a payment provider would, to try the shop out."""

import json
import time
from uuid import UUID, uuid4

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from checkout.models import Order
from flashsale.core import money
from flashsale.core.commands import arguments
from payments.providers import DEFAULT_PROVIDER, PROVIDERS
from payments.providers.base import SAMPLE_MEMBERS, UnusableSample

TIMEOUT_SECONDS = 15
MEMBERS = {
    "order_id": "The order that is paid.",
    "hold_id": "The hold of the order, instead of the order.",
    "payment_id": "The provider's id of the payment.",
    "amount": "Such as 29.99; the order's total unless given.",
    "currency": "ISO 4217 code, such as USD; the order's unless given.",
}
STRIPE_TYPES = {
    "success": "payment_intent.succeeded",
    "failure": "payment_intent.canceled",
    "refunded": "charge.refunded",
}


class Command(BaseCommand):
    help = "Sign an event, send it to the running server, print the answer. Exit 1 unless it is 2xx."

    def add_arguments(self, parser: CommandParser) -> None:
        statuses = list(dict.fromkeys(status for one in PROVIDERS.values() for status in one.sample_statuses))
        parser.add_argument("--provider", choices=list(PROVIDERS), default=DEFAULT_PROVIDER)
        parser.add_argument("--status", default="success", help=f"One of {', '.join(statuses)}.")
        parser.add_argument("--key", default=None, help="The event's id; random unless given.")
        for name, meaning in MEMBERS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", default=None, help=meaning)
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}", help="The server; this system's own.")

    def handle(self, *args: Any, url: str, provider: str, status: str, key: str | None, **options: Any) -> None:
        arguments.server(url)
        key = key or str(uuid4())
        if not (key.isascii() and key.isprintable()):
            raise CommandError("--key goes into a header: it must be printable ASCII text.")
        members = {name: options[name] for name in MEMBERS if options[name] is not None}
        members = _price_of(members) | members
        if provider == "stripe":
            path, body = "webhooks/stripe", _stripe_event(key, status, members)
            headers = stripe.sign_as_provider(body)
        else:
            path, body = "webhook", json.dumps({"idempotency_key": key, "status": status, **members}).encode()
            headers = standard.sign_as_provider(body, message_id=key)
        try:
            body = PROVIDERS[provider].sample(event_id=key, status=status, members=_price_of(members) | members)
        except UnusableSample as error:
            raise CommandError(str(error)) from error
        headers = PROVIDERS[provider].sign(body, message_id=key)
        webhook = f"{url}/api/v1/payments/webhooks/{provider}"
        try:
            answer = httpx.post(webhook, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise CommandError(f"No answer from {url}: {error}") from error
        self.stdout.write(f"{answer.status_code} {answer.text}")
        if not answer.is_success:
            raise CommandError("The event was not accepted.")


def _price_of(members: dict[str, str]) -> dict[str, str]:
    """Return the amount and currency of the order that the members name; nothing when this shop has no such order."""
    try:
        order_id, hold_id = (UUID(members[name]) if name in members else None for name in ("order_id", "hold_id"))
    except ValueError:
        return {}
    orders = Order.objects.filter(pk=order_id) if order_id else Order.objects.filter(hold=hold_id)
    order = orders.first()
    if order is None:
        return {}
    return {"amount": money.render(order.total_amount, order.currency), "currency": order.currency}


def _stripe_event(key: str, status: str, members: dict[str, str]) -> bytes:
    """Return an event in Stripe's form: of a payment intent, or of a charge for a refund."""
    if status not in STRIPE_TYPES:
        raise CommandError(f"As Stripe, --status is one of {', '.join(STRIPE_TYPES)}.")
    if not {"payment_id", "amount", "currency"} <= members.keys():
        raise CommandError("As Stripe, --payment-id is needed, and an order here or --amount and --currency.")
    amount = _minor_units(members["amount"], members["currency"].upper())
    payment = {"id": members["payment_id"], "object": "payment_intent", "amount": amount, "amount_received": amount}
    charge = {"id": f"ch_{key}", "object": "charge", "amount_refunded": amount, "payment_intent": members["payment_id"]}
    metadata = {name: members[name] for name in ("order_id", "hold_id") if name in members}
    subject = charge if status == "refunded" else payment
    event = {
        "id": key,
        "object": "event",
        "type": STRIPE_TYPES[status],
        "created": int(time.time()),
        "livemode": settings.STRIPE_LIVEMODE,
        "data": {"object": subject | {"currency": members["currency"].lower(), "metadata": metadata}},
    }
    return json.dumps(event).encode()


def _minor_units(amount: str, currency: str) -> int:
    if not money.is_currency(currency):
        raise CommandError(f"--currency {arguments.shown(currency)} is not an ISO 4217 currency.")
    value = money.as_stored(arguments.amount(amount, "--amount"))
    if value is None:
        raise CommandError("--amount must be a positive amount of at most three decimals, such as 29.99.")
    return int(value.scaleb(stripe.exponent_of(currency)))
