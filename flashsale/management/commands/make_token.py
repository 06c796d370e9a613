"""`manage.py make_token`: makes an API token and prints it."""

import re
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from flashsale.api import authentication
from flashsale.core import moments
from flashsale.core.commands import arguments
from flashsale.core.rest import scopes

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Command(BaseCommand):
    help = "Make an API token. Prints it, nothing else, on standard output; it is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="The client that uses the token; at most 50 characters.")
        parser.add_argument(
            "--scopes", default=scopes.STOREFRONT, help=f"Separated by commas: {', '.join(scopes.MEANINGS)}."
        )
        parser.add_argument("--expires", default=None, help="Date or time in ISO 8601; without an offset in TIME_ZONE.")

    def handle(self, **options) -> None:
        scope_names = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            expires_at = _moment(options["expires"])
        except ValidationError as error:
            raise CommandError(f"--expires: {' '.join(error.messages)}") from error
        try:
            name = arguments.storable(options["name"], "--name")
            token = authentication.create_token(name=name, scope_names=scope_names, expires_at=expires_at)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(token)


def _moment(text: str | None) -> datetime | None:
    """Return the time, or the first moment of the date. Raises `ValidationError`."""
    if text is None:
        return None
    return moments.parse(f"{text}T00:00" if _DATE.fullmatch(text) else text)
