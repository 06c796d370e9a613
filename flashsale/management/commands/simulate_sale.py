"""`manage.py simulate_sale`: a simulated sale against the running server, then the audit."""

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from catalog import products
from flashsale.api import authentication
from flashsale.core.commands import arguments
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.rest import scopes
from flashsale.local import env_file
from flashsale.models import Token
from flashsale.simulation import back_end, verdict
from flashsale.simulation.client import Journal
from flashsale.simulation.crowd import MAX_UNITS, Crowd

SETTLE_SECONDS = 60
MAX_SHOPPERS = 1_000_000
PRICE = Decimal("29.99")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Command(BaseCommand):
    help = "Let a crowd buy a new product from the running server, then check every promise. Exit 0 if all held."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shoppers", type=int, default=2000)
        parser.add_argument("--stock", type=int, default=100, help="Units for sale.")
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}")
        parser.add_argument(
            "--yes-really", action="store_true", help="Run outside local mode too, where it sells a new product."
        )

    def handle(self, *, shoppers: int, stock: int, url: str, yes_really: bool = False, **options) -> None:
        if not settings.LOCAL_MODE and not yes_really:
            raise CommandError(
                "This is no system of local mode: a crowd would buy a made-up product from the real shop. Nothing was"
                " done; --yes-really does it."
            )
        if not 1 <= shoppers <= MAX_SHOPPERS or not 0 <= stock <= MAX_INTEGER:
            raise CommandError(f"--shoppers must be 1 to {MAX_SHOPPERS}, and --stock 0 to {MAX_INTEGER} units.")
        _check_server(arguments.server(url))
        console = Console()
        product = products.add(
            name=f"Simulated sale of {stock} units", price=PRICE, currency="USD", stock=stock, max_per_hold=MAX_UNITS
        )
        console.print(f"[bold]{shoppers} shoppers[/] ask for {stock} units of product {product.pk} at {url}")
        try:
            with _token_of_back_end() as token:
                broken = _run(console, url, product.pk, shoppers, token=token)
        finally:
            connection.close()
            with contextlib.suppress(products.NothingToDo):
                products.withdraw(product.pk)
        for promise in broken:
            console.print(f"[bold red]broken[/] {promise}")
        if broken:
            sys.exit(1)
        console.print("[bold green]Every promise held:[/] nothing oversold, nothing lost, the books are right.")


def _check_server(url: str) -> None:
    try:
        httpx.get(f"{url}/livez", timeout=5, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise CommandError(f"No server answers at {url} ({error}). Start one with `{env_file.make_run()}`.") from error


@contextlib.contextmanager
def _token_of_back_end() -> Iterator[str]:
    """Make an API token that may read events, for as long as the sale lasts."""
    token = authentication.create_token(name="simulate_sale", scope_names=[scopes.EVENTS_READ])
    try:
        yield token
    finally:
        connection.close()
        Token.objects.filter(prefix=token.partition(".")[0]).delete()


def _run(console: Console, url: str, product_id: int, shoppers: int, *, token: str) -> list[str]:
    """Let the crowd shop while a back end listens, report, and return a sentence for each broken promise."""
    started = time.monotonic()
    reader = back_end.BackEnd(url, token)
    try:
        journal = _rush(console, url, product_id, shoppers)
        seconds = time.monotonic() - started
        # The database may have been restarted meanwhile.
        connection.close()
        _wait_for_worker(console)
        before = back_end.statuses(product_id)
        with console.status("reading the events to their end"):
            heard = reader.finish(product_id)
    finally:
        reader.kill()
    broken = verdict.broken_promises(product_id, journal)
    broken += back_end.differences(heard, before=before, after=back_end.statuses(product_id))
    _report(console, journal, verdict.read_books(product_id))
    console.print(f"A second process read the events of {len(heard.orders)} orders.")
    console.print(_load(journal, url, seconds=seconds), soft_wrap=True)
    return broken


def _rush(console: Console, url: str, product_id: int, shoppers: int) -> Journal:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("shoppers done", total=shoppers)
        crowd = Crowd(url, product_id, shoppers, on_done=lambda: progress.advance(task))
        return asyncio.run(crowd.run())


def _wait_for_worker(console: Console) -> None:
    """Give the worker a bounded time to finish webhook events that were stored but not processed."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with console.status("waiting for stored webhook events"):
        while verdict.count_unfinished() and time.monotonic() < deadline:
            time.sleep(0.5)


def _report(console: Console, journal: Journal, books: verdict.Books) -> None:
    units = Table("units", "count", title="The sale")
    for name, count in {
        "for sale": books.total,
        "sold": books.sold,
        "still reserved (holds and unpaid orders)": books.reserved,
        "free": books.free,
        "accounted for": books.sold + books.reserved + books.free,
        "oversold": max(0, books.sold + books.reserved - books.total),
    }.items():
        units.add_row(name, str(count))
    console.print(units)
    payments = Table("payments", "count", title="The money")
    for name, count in {
        "reported by the provider": len(journal.money_taken),
        "refunds due": books.refunds_due,
        "events for staff to review": books.needs_review,
    }.items():
        payments.add_row(name, str(count))
    console.print(payments)
    console.print(
        "Refunds due are payments that bought nothing: this provider charges some orders twice, and pays some that were"
        f" cancelled or whose units are gone. The shop owes that money back: {env_file.command('refunds_due')}",
        soft_wrap=True,
    )
    console.print(_answers_table(journal))


def _load(journal: Journal, url: str, *, seconds: float) -> str:
    """Return how many requests were made, and what that says about the server."""
    requests = sum(len(latencies) for latencies in journal.latencies_ms.values())
    where = "on this machine"
    if httpx.URL(url).host in LOOPBACK:
        where = "on the same machine as the server and shared its processors: alone the server is faster"
    return (
        f"{requests:,} requests in {seconds:.0f} s: {requests / seconds:,.0f} a second. {journal.retries:,} were"
        f" repeated, after `busy` or a lost connection.\nThe crowd ran {where}."
    )


def _answers_table(journal: Journal) -> Table:
    table = Table("call", "answers", "p50 ms", "p99 ms", title="What the server answered")
    for call, latencies in journal.latencies_ms.items():
        outcomes = {outcome: count for (name, outcome), count in journal.answers.items() if name == call}
        text = ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))
        quantiles = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else latencies * 99
        table.add_row(call, text, f"{quantiles[49]:.0f}", f"{quantiles[98]:.0f}")
    return table
