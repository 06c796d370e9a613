"""`manage.py simulate_sale`: a simulated sale against the running server, then the audit."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from catalog import products
from catalog.models import Product
from catalog.queue_columns import MAX_ADMISSION_RATE, Queue
from flashsale.api import authentication
from flashsale.core.commands import arguments
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.rest import scopes
from flashsale.local import env_file
from flashsale.models import Token
from flashsale.simulation import back_end, report, verdict
from flashsale.simulation.buying import MAX_UNITS, Price
from flashsale.simulation.crowd import Crowd
from flashsale.simulation.waiting_room import opening
from flashsale.simulation.waiting_room import verdict as queue_verdict
from flashsale.simulation.waiting_room.crowd import WaitingCrowd

SETTLE_SECONDS = 60
MAX_SHOPPERS = 1_000_000
# Buyers a second.
ADMISSION_RATE = 50
PRICE = Decimal("29.99")


class Command(BaseCommand):
    help = "Let a crowd buy a new product from the running server, then check every promise. Exit 0 if all held."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shoppers", type=int, default=2000)
        parser.add_argument("--stock", type=int, default=100, help="Units for sale.")
        parser.add_argument("--queue", action="store_true", help="Let the crowd wait in a queue, and check its draw.")
        parser.add_argument(
            "--admission-rate", type=int, default=ADMISSION_RATE, help="Buyers a second that the queue admits at most."
        )
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}")
        parser.add_argument(
            "--yes-really", action="store_true", help="Run outside local mode too, where it sells a new product."
        )

    def handle(
        self,
        *,
        shoppers: int,
        stock: int,
        url: str,
        queue: bool = False,
        admission_rate: int = ADMISSION_RATE,
        yes_really: bool = False,
        **options,
    ) -> None:
        if not settings.LOCAL_MODE and not yes_really:
            raise CommandError(
                "This is no system of local mode: a crowd would buy a made-up product from the real shop. Nothing was"
                " done; --yes-really does it."
            )
        _check_numbers(shoppers=shoppers, stock=stock, admission_rate=admission_rate)
        _check_server(arguments.server(url))
        console = Console()
        product = _add_product(stock, **opening.columns(shoppers=shoppers, rate=admission_rate) if queue else {})
        console.print(f"[bold]{shoppers} shoppers[/] ask for {stock} units of product {product.pk} at {url}")
        try:
            with _token_of_back_end() as token:
                broken = _run(console, url, product, shoppers, token=token)
        finally:
            connection.close()
            with contextlib.suppress(products.NothingToDo):
                products.withdraw(product.pk)
        for promise in broken:
            console.print(f"[bold red]broken[/] {promise}")
        if broken:
            sys.exit(1)
        console.print("[bold green]Every promise held:[/] nothing oversold, nothing lost, the books are right.")
        if queue:
            console.print("The draw can be checked and was fair, and only tickets that were served bought.")


def _check_numbers(*, shoppers: int, stock: int, admission_rate: int) -> None:
    if not 1 <= shoppers <= MAX_SHOPPERS or not 0 <= stock <= MAX_INTEGER:
        raise CommandError(f"--shoppers must be 1 to {MAX_SHOPPERS}, and --stock 0 to {MAX_INTEGER} units.")
    if not 1 <= admission_rate <= MAX_ADMISSION_RATE:
        raise CommandError(f"--admission-rate must be 1 to {MAX_ADMISSION_RATE} buyers a second.")


def _add_product(stock: int, **columns: Any) -> Product:
    name = f"Simulated sale of {stock} units"
    return products.add(name=name, price=PRICE, currency="USD", stock=stock, max_per_hold=MAX_UNITS, **columns)


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


def _run(console: Console, url: str, product: Product, shoppers: int, *, token: str) -> list[str]:
    """Let the crowd shop while a back end listens, report, and return a sentence for each broken promise."""
    started = time.monotonic()
    reader = back_end.BackEnd(url, token)
    try:
        crowd = _rush(console, url, product, shoppers)
        seconds = time.monotonic() - started
        # The database may have been restarted meanwhile.
        connection.close()
        _wait_for_worker(console)
        before = back_end.statuses(product.pk)
        with console.status("reading the events to their end"):
            heard = reader.finish(product.pk)
    finally:
        reader.kill()
    broken = verdict.broken_promises(product.pk, crowd.journal)
    broken += back_end.differences(heard, before=before, after=back_end.statuses(product.pk))
    report.tell(console, crowd.journal, verdict.read_books(product.pk), refunds_command=env_file.command("refunds_due"))
    console.print(f"A second process read the events of {len(heard.orders)} orders.")
    console.print(report.load(crowd.journal, url, seconds=seconds), soft_wrap=True)
    return broken + (_judge_queue(console, product, crowd) if isinstance(crowd, WaitingCrowd) else [])


def _judge_queue(console: Console, product: Product, crowd: WaitingCrowd) -> list[str]:
    """Tell how the queue went, and return a sentence for each broken promise."""
    judged = queue_verdict.judge(product.pk, crowd.seen, rate_max=product.admission_rate_max)
    console.print("[bold]The queue[/]")
    for sentence in judged.account:
        console.print(sentence, soft_wrap=True)
    return judged.broken


def _rush(console: Console, url: str, product: Product, shoppers: int) -> Crowd | WaitingCrowd:
    """Let the crowd of a product come, with or without a queue; returns it with its journal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    price = Price(product.price, product.currency)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("shoppers done", total=shoppers)
        own = {"on_done": lambda: progress.advance(task)}
        if product.queue == Queue.ON:
            crowd = WaitingCrowd(
                url, product.pk, price, shoppers, starts_in_seconds=opening.starts_in_seconds(product), **own
            )
        else:
            crowd = Crowd(url, product.pk, price, shoppers, **own)
        asyncio.run(crowd.run())
        return crowd


def _wait_for_worker(console: Console) -> None:
    """Give the worker a bounded time to finish webhook events that were stored but not processed."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with console.status("waiting for stored webhook events"):
        while verdict.count_unfinished() and time.monotonic() < deadline:
            time.sleep(0.5)
