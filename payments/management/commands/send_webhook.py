"""`manage.py send_webhook`: sends an event as a payment provider would, to try the shop out."""

from typing import Any
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
MEANINGS = {
    "order_id": "The order that is paid.",
    "hold_id": "The hold of the order, instead of the order.",
    "payment_id": "The provider's id of the payment.",
    "amount": "Such as 29.99; the order's total unless given.",
    "currency": "ISO 4217 code, such as USD; the order's unless given.",
}


class Command(BaseCommand):
    help = "Sign an event, send it to the running server, print the answer. Exit 1 unless it is 2xx."

    def add_arguments(self, parser: CommandParser) -> None:
        statuses = list(dict.fromkeys(status for each in PROVIDERS.values() for status in each.sample_statuses))
        parser.add_argument("--provider", choices=list(PROVIDERS), default=DEFAULT_PROVIDER)
        parser.add_argument("--status", default="success", help=f"One of {', '.join(statuses)}.")
        parser.add_argument("--key", default=None, help="The event's id; random unless given.")
        for name in SAMPLE_MEMBERS:
            parser.add_argument(f"--{name.replace('_', '-')}", default=None, help=MEANINGS[name])
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}", help="The server; this system's own.")

    def handle(self, *args: Any, url: str, provider: str, status: str, key: str | None, **options: Any) -> None:
        arguments.server(url)
        key = key or str(uuid4())
        if not (key.isascii() and key.isprintable()):
            raise CommandError("--key goes into a header: it must be printable ASCII text.")
        members = {name: options[name] for name in SAMPLE_MEMBERS if options[name] is not None}
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
