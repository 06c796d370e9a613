"""Processor time of one request in a web process, for each kind of request and layer by layer.

`python -m benchmarks.costs` starts servers of its own and prints a table in microseconds, the best of several rounds:
`view` is what the request's view needs, `API` includes the checks and headers of every request under `/api`, `all` what
the web server calls. Times are processor times of the event loop's thread, in which 32 requests run at the same time;
`worker threads` is what the process's other threads need, divided by the requests: they process the transactions, which
requests share. A bare Django view (one function, no middleware) that answers the bytes of the product read is the
measure: reads and refusals count with the worker threads, a hold with its own share, which is that of the loop's
thread. Exit 1 when a promise is missed.

The time of the web server itself, which is not written in Python, is not in it.
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.checkouts import PROJECT
from benchmarks.in_process import CONCURRENT, Exchange, Loop, Spent, bare_view
from benchmarks.results import machine
from benchmarks.shop import ShopUnderTest, open_shop

ROUNDS = 7
REQUESTS = 10 * CONCURRENT
STOCK = 2_000_000_000
BARE = "bare Django view"
MICROSECONDS = 1e6


@dataclass(frozen=True)
class Kind:
    """A kind of request; `make` takes the answers to the kind before it. `at_most` times the bare view is promised."""

    name: str
    make: Callable[[list[Any]], list[Exchange]]
    at_most: float | None = None
    # Whether the worker threads, which process the requests of many clients together, count.
    counts_workers: bool = True
    is_page: bool = False


@dataclass(frozen=True)
class Cost:
    """Microseconds of one request: of its view, with the API's handler, of all; and in worker threads."""

    name: str
    view: float
    api: float
    all: float
    workers: float
    bare: float
    counted: float
    at_most: float | None

    @property
    def ratio(self) -> float:
        return self.counted / self.bare

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept."""
        return self.at_most is None or self.ratio <= self.at_most


def kinds(product_id: int, sold_out_id: int, key: bytes) -> list[Kind]:
    """Return the kinds of requests: orders follow the holds whose units they buy, webhooks follow the orders."""
    from flashsale.core import webhook_signatures

    def get(path: str, status: int = 200) -> Callable[[list[Any]], list[Exchange]]:
        return lambda _: [Exchange(path, status) for _ in range(REQUESTS)]

    def hold(product: int, status: int, *, keyed: bool = False) -> Callable[[list[Any]], list[Exchange]]:
        body = json.dumps({"product_id": product, "quantity": 1}).encode()
        return lambda _: [
            Exchange("/api/v1/holds", status, "POST", body, {"idempotency-key": uuid.uuid4().hex} if keyed else {})
            for _ in range(REQUESTS)
        ]

    def orders(holds: list[Any]) -> list[Exchange]:
        bodies = [json.dumps({"hold_id": hold["hold_id"], "payment_id": uuid.uuid4().hex}).encode() for hold in holds]
        return [Exchange("/api/v1/orders", 201, "POST", body) for body in bodies]

    def webhooks(placed: list[Any]) -> list[Exchange]:
        exchanges = []
        for order in placed:
            event = {"idempotency_key": uuid.uuid4().hex, "status": "success", "order_id": order["order_id"]}
            event |= {"payment_id": order["payment_id"], "amount": order["total_amount"], "currency": "USD"}
            body = json.dumps(event).encode()
            headers = webhook_signatures.signed_headers(key, message_id=event["idempotency_key"], body=body)
            exchanges.append(Exchange("/api/v1/payments/webhook", 200, "POST", body, headers))
        return exchanges

    return [
        Kind("`/livez`", get("/livez"), is_page=True),
        Kind("404 under `/api`", get("/api/v1/nothing", 404)),
        Kind("product read", get(f"/api/v1/products/{product_id}"), at_most=3),
        Kind("sold-out refusal", hold(sold_out_id, 409), at_most=4.5),
        Kind("sold-out refusal with an Idempotency-Key", hold(sold_out_id, 409, keyed=True)),
        Kind("hold, its own share", hold(product_id, 201), at_most=6, counts_workers=False),
        Kind("order, its own share", orders, counts_workers=False),
        Kind("webhook, its own share", webhooks, counts_workers=False),
    ]


def measure(shop: ShopUnderTest) -> list[Cost]:
    """Measure each kind at each entry point, in alternating rounds; needs the shop's Django to be set up."""
    product_id, sold_out_id = shop.add_product(stock=STOCK), shop.add_product(stock=0)
    every = kinds(product_id, sold_out_id, shop.key)
    loop = Loop()
    spent: dict[tuple[str, str], list[Spent]] = {}
    page = Exchange(f"/api/v1/products/{product_id}", 200)
    loop.application([page])
    for _ in range(ROUNDS):
        bare = [Exchange("/bench/constant", 200) for _ in range(REQUESTS)]
        spent.setdefault((BARE, "all"), []).append(bare_view(page.answer, bare))
        check(BARE, bare)
        for layer, entry_point in (("view", loop.view), ("api", loop.handler), ("all", loop.application)):
            answers: list[Any] = []
            for kind in every:
                if kind.is_page and layer != "all":
                    continue
                exchanges = kind.make(answers)
                spent.setdefault((kind.name, layer), []).append(entry_point(exchanges))
                check(kind.name, exchanges)
                answers = [json.loads(exchange.answer or "{}") for exchange in exchanges]
    return costs_of(every, spent)


def check(name: str, exchanges: Sequence[Exchange]) -> None:
    """End the program when an answer has another status than the expected one."""
    for exchange in exchanges:
        if exchange.status != exchange.expected:
            sys.exit(f"{name}: answered {exchange.status} {exchange.answer[:300]!r}")


def costs_of(every: Sequence[Kind], spent: dict[tuple[str, str], list[Spent]]) -> list[Cost]:
    """Return the best round of each kind and entry point."""

    def best(name: str, layer: str, read: Callable[[Spent], float]) -> float:
        rounds = spent.get((name, layer), [])
        return MICROSECONDS * min((read(one) for one in rounds), default=float("nan")) / REQUESTS

    bare = best(BARE, "all", lambda one: one.own)
    costs = [Cost(BARE, bare, bare, bare, 0, bare, bare, None)]
    for kind in every:
        view, api, whole = (best(kind.name, layer, lambda one: one.own) for layer in ("view", "api", "all"))
        counted = best(kind.name, "all", lambda one: one.own + one.others) if kind.counts_workers else whole
        workers = best(kind.name, "all", lambda one: one.others)
        costs.append(Cost(kind.name, view, api, whole, workers, bare, counted, kind.at_most))
    return costs


def table(costs: Sequence[Cost]) -> str:
    """Return the costs as Markdown."""
    lines = [
        "| processor time of a request, µs | view | API | all | worker threads | of the bare view | at most |",
        "|---|---|---|---|---|---|---|",
    ]
    for cost in costs:
        times = ["-" if math.isnan(time) else f"{time:.0f}" for time in (cost.view, cost.api, cost.all, cost.workers)]
        promise = "" if cost.at_most is None else f"{cost.at_most:.1f}{'' if cost.is_kept else ' (missed)'}"
        lines.append(f"| {' | '.join([cost.name, *times, f'{cost.ratio:.1f}', promise])} |")
    return "\n".join(lines)


def measure_in_a_process() -> tuple[str, bool]:
    """Run this module in a process of its own; return its table, and whether every promise is kept."""
    argv = [sys.executable, "-m", "benchmarks.costs", "--only-table"]
    completed = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    if not completed.stdout.startswith("|"):
        sys.exit(f"benchmarks.costs failed:\n{completed.stdout}{completed.stderr}")
    return completed.stdout.rstrip(), completed.returncode == 0


@contextlib.contextmanager
def _logging_to_a_file() -> Iterator[None]:
    """Write the lines of the log to a file, as a web process does."""
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-table", action="store_true", help="print nothing else")
    options = parser.parse_args()
    with _logging_to_a_file(), open_shop() as shop:
        shop.set_up_django()
        costs = measure(shop)
        from django.db import connections

        connections.close_all()
    if not options.only_table:
        print(f"{machine()}\n")
    print(table(costs))
    sys.exit(not all(cost.is_kept for cost in costs))


if __name__ == "__main__":
    main()
