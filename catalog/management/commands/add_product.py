"""`manage.py add_product`: add and publish a product, and print its id."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog import products
from catalog.models import DEFAULT_MAX_PER_HOLD
from catalog.queue_columns import Queue
from flashsale.core import moments
from flashsale.core.commands import arguments


class Command(BaseCommand):
    help = "Add and publish a product. Prints its id, nothing else, on standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--price", required=True, help="In units of the currency, such as 29.99.")
        parser.add_argument("--currency", required=True, help="ISO 4217 code, such as USD.")
        parser.add_argument("--stock", required=True, type=int, help="Units for sale.")
        parser.add_argument("--description", default="")
        parser.add_argument("--sku", default="", help="What the shop itself calls it; unlike all others.")
        parser.add_argument("--image-url", default="", help="Where its picture is: https://...")
        parser.add_argument("--max-per-hold", type=int, default=DEFAULT_MAX_PER_HOLD)
        parser.add_argument("--max-per-customer", type=int, default=None)
        parser.add_argument("--starts-at", default=None, help="ISO 8601; without an offset in TIME_ZONE.")
        parser.add_argument("--ends-at", default=None, help="ISO 8601; without an offset in TIME_ZONE.")
        parser.add_argument(
            "--queue-opens-at", default=None, metavar="MOMENT",
            help="Give it a queue that opens then, at least 5 minutes before the sale starts; ISO 8601, as above.",
        )  # fmt: skip
        parser.add_argument(
            "--admission-rate-max", type=int, default=None, metavar="N",
            help="Give it a queue that admits at most so many buyers a second.",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        has_queue = options["queue_opens_at"] is not None or options["admission_rate_max"] is not None
        try:
            product = products.add(
                name=arguments.storable(options["name"], "--name"),
                description=arguments.storable(options["description"], "--description"),
                sku=arguments.storable(options["sku"], "--sku"),
                image_url=arguments.storable(options["image_url"], "--image-url"),
                price=arguments.amount(options["price"], "--price"),
                currency=options["currency"],
                stock=options["stock"],
                max_per_hold=options["max_per_hold"],
                max_per_customer=options["max_per_customer"],
                sale_starts_at=_moment(options["starts_at"], "--starts-at"),
                sale_ends_at=_moment(options["ends_at"], "--ends-at"),
                queue=Queue.ON if has_queue else Queue.OFF,
                queue_opens_at=_moment(options["queue_opens_at"], "--queue-opens-at"),
                admission_rate_max=options["admission_rate_max"],
            )
        except ValidationError as error:
            raise CommandError(_sentences(error)) from error
        self.stdout.write(str(product.pk))


def _moment(text: str | None, option: str) -> datetime | None:
    try:
        return None if text is None else moments.parse(text)
    except ValidationError as error:
        raise CommandError(f"{option} {text!r}: {' '.join(error.messages)}") from error


def _sentences(error: ValidationError) -> str:
    return " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
