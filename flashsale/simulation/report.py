"""What a simulated sale tells its user: units, money, answers and load."""

import statistics

import httpx
from rich.console import Console
from rich.table import Table

from flashsale.simulation.client import Journal
from flashsale.simulation.verdict import Books

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def tell(console: Console, journal: Journal, books: Books, *, refunds_command: str) -> None:
    """Print the units, the money and the answers; `refunds_command` lists what must be refunded."""
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
        f" cancelled or whose units are gone. The shop owes that money back: {refunds_command}",
        soft_wrap=True,
    )
    console.print(_answers_table(journal))


def load(journal: Journal, url: str, *, seconds: float) -> str:
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
