"""`manage.py make_token`: makes an API token and prints it."""

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from flashsale import tokens
from flashsale.core import scopes


class Command(BaseCommand):
    help = "Make an API token. Prints it, nothing else, on standard output; it is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="Whose token it is; at most 50 characters.")
        parser.add_argument(
            "--scopes", default=scopes.STOREFRONT, help=f"Separated by commas: {', '.join(scopes.MEANINGS)}."
        )
        parser.add_argument("--expires", default=None, help="Date or time in ISO 8601; without an offset in TIME_ZONE.")

    def handle(self, **options) -> None:
        given = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            token = tokens.make(name=options["name"], scope_names=given, expires_at=_moment(options["expires"]))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(token)


def _moment(text: str | None):
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if moment is None and day is not None:
        moment = timezone.datetime(day.year, day.month, day.day)
    if moment is None:
        raise CommandError(
            f"--expires: {text} is no date or time in ISO 8601, such as 2030-01-31 or 2030-01-31T12:00Z."
        )
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
