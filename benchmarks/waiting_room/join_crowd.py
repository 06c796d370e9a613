"""A crowd that joins a queue, as fast as it is answered or at a rate of its own."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.http_client import Client

BODY = b""


@dataclass
class Joins:
    """The answers to a crowd: tickets, statuses, and the seconds that each client waited, in the order of answers.

    `seconds`: from the first request to the last answer.
    """

    tickets: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.waits) / self.seconds

    def wait_of(self, share: float) -> float:
        """Return how long, in seconds, the client waited that waited longer than this share of the others."""
        return sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))]


def path_of(product_id: int) -> str:
    """Return the path of a product's queue."""
    return f"/api/v1/products/{product_id}/queue"


def join(port: int, product_id: int, *, count: int, clients: int, per_second: float | None = None) -> Joins:
    """Join a queue `count` times over `clients` connections.

    With `per_second` each request is due at its own moment, also while others wait, and its wait is counted from
    there: a server that falls behind makes all that are due wait. Raises what a lost connection raises.
    """
    return asyncio.run(_join(port, path_of(product_id), count, clients, per_second))


async def _join(port: int, path: str, count: int, clients: int, per_second: float | None) -> Joins:
    joins, connections = Joins(), [Client(port) for _ in range(clients)]
    await asyncio.gather(*(client.open() for client in connections))
    started = time.perf_counter()
    due = iter([started + number / per_second if per_second else 0.0 for number in range(count)])
    await asyncio.gather(*(_client(client, path, due, joins) for client in connections))
    joins.seconds = time.perf_counter() - started
    await asyncio.gather(*(client.close() for client in connections))
    return joins


async def _client(client: Client, path: str, due: Iterator[float], joins: Joins) -> None:
    for moment in due:
        now = time.perf_counter()
        if moment > now:
            await asyncio.sleep(moment - now)
        status, answer = await client.post(path, BODY, {})
        joins.waits.append(time.perf_counter() - (moment or now))
        joins.statuses[status] += 1
        if "ticket" in answer:
            joins.tickets.append(answer["ticket"])
