"""`manage.py send_webhook`: an event as a payment provider would send it, for people who try it out."""

import json
import time
from uuid import uuid4

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from flashsale.core import money
from flashsale.core.commands import arguments
from payments.providers import standard, stripe

TIMEOUT_SECONDS = 15
MEMBERS = ("order_id", "hold_id", "payment_id", "amount", "currency")
STRIPE_TYPES = {
    "success": "payment_intent.succeeded",
    "failure": "payment_intent.canceled",
    "refunded": "charge.refunded",
}


class Command(BaseCommand):
    help = "Sign an event, send it to the running server, print the answer. Exit 1 unless it is 2xx."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--provider", choices=["standard", "stripe"], default="standard")
        parser.add_argument("--status", default="success", help=f"One of {', '.join(standard.KIND_OF_STATUS)}.")
        parser.add_argument("--key", default=None, help="The event's id; random unless given.")
        for name in MEMBERS:
            parser.add_argument(f"--{name.replace('_', '-')}", default=None)
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}")

    def handle(self, *, url: str, provider: str, status: str, key: str | None, **options) -> None:
        arguments.server(url)
        key = key or str(uuid4())
        if not (key.isascii() and key.isprintable()):
            raise CommandError("--key goes into a header: it must be printable ASCII text.")
        given = {name: options[name] for name in MEMBERS if options[name] is not None}
        if provider == "stripe":
            path, body = "webhooks/stripe", _stripe_event(key, status, given)
            headers = stripe.sign_as_provider(body)
        else:
            path, body = "webhook", json.dumps({"idempotency_key": key, "status": status, **given}).encode()
            headers = standard.sign_as_provider(body, message_id=key)
        try:
            answer = httpx.post(f"{url}/api/v1/payments/{path}", content=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise CommandError(f"No answer from {url}: {error}") from error
        self.stdout.write(f"{answer.status_code} {answer.text}")
        if not answer.is_success:
            raise CommandError("The event was not accepted.")


def _stripe_event(key: str, status: str, given: dict[str, str]) -> bytes:
    """Return an event in Stripe's form: of a payment intent, or of a charge for a refund."""
    if status not in STRIPE_TYPES:
        raise CommandError(f"As Stripe, --status is one of {', '.join(STRIPE_TYPES)}.")
    if "payment_id" not in given or "amount" not in given or "currency" not in given:
        raise CommandError("As Stripe, --payment-id, --amount and --currency are needed.")
    amount = _minor_units(given["amount"], given["currency"].upper())
    payment = {"id": given["payment_id"], "object": "payment_intent", "amount": amount, "amount_received": amount}
    charge = {"id": f"ch_{key}", "object": "charge", "amount_refunded": amount, "payment_intent": given["payment_id"]}
    metadata = {name: given[name] for name in ("order_id", "hold_id") if name in given}
    thing = charge if status == "refunded" else payment
    event = {
        "id": key,
        "object": "event",
        "type": STRIPE_TYPES[status],
        "created": int(time.time()),
        "livemode": settings.STRIPE_LIVEMODE,
        "data": {"object": thing | {"currency": given["currency"].lower(), "metadata": metadata}},
    }
    return json.dumps(event).encode()


def _minor_units(amount: str, currency: str) -> int:
    if not money.is_currency(currency):
        raise CommandError(f"--currency {arguments.shown(currency)} is not an ISO 4217 currency.")
    value = money.as_stored(arguments.amount(amount, "--amount"))
    if value is None:
        raise CommandError("--amount must be a positive amount of at most three decimals, such as 29.99.")
    return int(value.scaleb(stripe.exponent_of(currency)))
