"""`python -m benchmarks.waiting_room.costs`: processor time of what a waiting crowd asks through nginx.

Each kind of request is repeated for some seconds, in alternating rounds; the best round of each part counts: nginx, the
web processes, PostgreSQL and Valkey. The load generator does not count.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import edge, loads, wrk
from benchmarks.loads import CLIENTS
from benchmarks.processor_time import processes_of, used_seconds
from benchmarks.results import machine
from benchmarks.shop import open_shop, serving
from benchmarks.waiting_room.join_crowd import BODY, path_of
from benchmarks.waiting_room.rows import STOCK, add_queued_product
from benchmarks.wrk import Load

ROUNDS = 5
MICROSECONDS = 1e6


@dataclass(frozen=True)
class Part:
    """Processes whose time is counted together."""

    name: str
    pids: list[int]


def _spent(parts: list[Part], run: Callable[[], Load]) -> list[float]:
    """Return the processor time of a request in each part, in microseconds."""
    before = [used_seconds(part.pids) for part in parts]
    load = run()
    after = [used_seconds(part.pids) for part in parts]
    count = sum(load.statuses.values())
    return [MICROSECONDS * (end - start) / count for start, end in zip(before, after, strict=True)]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    edge.find()
    with open_shop() as shop, serving(shop) as web, edge.in_front_of(shop, file=b"") as running:
        shop.set_up_django()
        queue, product = path_of(add_queued_product(stock=STOCK)), loads.path_of(shop.add_product(stock=STOCK))
        stored = [pid for pid in processes_of(shop, web) if pid != web]
        parts = [Part("nginx", [running.pid]), Part("web", [web]), Part("PostgreSQL and Valkey", stored)]
        kinds: dict[str, Callable[[], Load]] = {
            "queue page, cached": lambda: loads.get(running.url, queue, options.seconds),
            "product page, cached": lambda: loads.get(running.url, product, options.seconds),
            "join": lambda: wrk.run(
                running.url + queue, clients=CLIENTS, seconds=options.seconds, method="POST", body=BODY.decode()
            ),
            "queue page, at the application": lambda: loads.get(shop.url, queue, options.seconds),
            "product read, at the application": lambda: loads.get(shop.url, product, options.seconds),
        }
        rounds = [{name: _spent(parts, run) for name, run in kinds.items()} for _ in range(ROUNDS)]
    print(f"| µs of a request | {' | '.join(part.name for part in parts)} |", "|---|---|---|---|", sep="\n")
    for name in kinds:
        best = [min(times) for times in zip(*(one[name] for one in rounds), strict=True)]
        print(f"| {name} | {' | '.join(f'{time:.1f}' for time in best)} |")
    print(machine())


if __name__ == "__main__":
    main()
