"""`manage.py reconcile_payments`: asks the payment providers at once what no webhook told."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from flashsale.core import clock, moments
from flashsale.core.commands import arguments
from payments import asking, attempts
from payments.providers.payment_client import ListingFailed


class Command(BaseCommand):
    help = (
        "Read the providers' events, look up payments without news, compare the payments of the last two days. "
        "Exit 1 when a provider did not answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", default=None, help="Read and compare from this time on, such as 2026-11-27T18:00:00Z."
        )

    def handle(self, *args: Any, since: str | None, **options: Any) -> None:
        begin = None if since is None else _time(since)
        providers = asking.providers()
        if not providers:
            raise CommandError(
                "The shop makes no payments here: that takes STRIPE_API_KEY, STRIPE_PUBLISHABLE_KEY and SHOP_ID."
            )
        failures = [failure for provider in providers for failure in self._ask(provider, begin)]
        if failures:
            raise CommandError(" ".join(failures))

    def _ask(self, provider: str, since: datetime | None) -> Iterator[str]:
        """Say what each step finds; yields a sentence for each that fails."""
        for step in (_swept, _looked_up, _compared):
            try:
                self.stdout.write(f"{provider}: {step(provider, since)}")
            except ListingFailed as error:
                yield f"{provider}: {FAILED[step]}: {error}"


def _swept(provider: str, since: datetime | None) -> str:
    try:
        found = asking.sweep(provider, since=since)
    except asking.SweepUnderWay:
        return "another process reads the events at present."
    lost = ""
    if found.lost_since is not None:
        lost = (
            f" They were read last at {moments.written(found.lost_since)}: what happened then and is older than"
            f" {asking.LISTED_DAYS} days is in no list any more."
        )
    unreadable = f" {found.unreadable} cannot be read and need review." if found.unreadable else ""
    listed = f"{found.listed} events are listed since {moments.written(found.since)}"
    return f"{listed}, {found.taken} of them are new ones of this shop.{unreadable}{lost}"


def _looked_up(provider: str, since: datetime | None) -> str:
    return f"{attempts.look_up_due()} open payments without news were asked about."


def _compared(provider: str, since: datetime | None) -> str:
    found = asking.compare(provider, since=since)
    compared = f"{found.compared} payments of this shop were made since {moments.written(found.since)} and paid"
    told = f"{found.differences} differ from what is recorded"
    new = f", {found.new_differences} of them need review since now" if found.differences else ""
    return f"{compared}. {found.missing} were missing here; {told}{new}."


FAILED: dict[Callable[[str, datetime | None], str], str] = {
    _swept: "the events were not read",
    _looked_up: "payments without news were not asked about",
    _compared: "the payments were not compared",
}


def _time(text: str) -> datetime:
    """Return the time that `--since` names; raises `CommandError`."""
    try:
        since = moments.parse(text)
    except ValidationError as error:
        raise CommandError(f"--since {arguments.shown(text)}: {error.messages[0]}") from error
    now = clock.now()
    if since > now:
        raise CommandError(f"--since {arguments.shown(text)} is in the future.")
    if since < now - timedelta(days=asking.LISTED_DAYS):
        too_old = f"is more than {asking.LISTED_DAYS} days ago: providers list no older events."
        raise CommandError(f"--since {arguments.shown(text)} {too_old}")
    return since
