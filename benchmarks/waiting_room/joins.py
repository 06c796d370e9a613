"""`python -m benchmarks.waiting_room.joins`: many clients join a queue through nginx, and none may be lost.

First as fast as they are answered, then at half of that rate. Exit 1 unless each of them gets a ticket of its own, the
queue has counted all of them `COUNTED_SECONDS` later, and at half of the rate 99 of 100 wait for less than
`P99_SECONDS`.
"""

import argparse
import sys
import time

from benchmarks import edge
from benchmarks.results import machine
from benchmarks.shop import open_shop, serving
from benchmarks.waiting_room import join_crowd
from benchmarks.waiting_room.join_crowd import Joins
from benchmarks.waiting_room.rows import STOCK, add_queued_product

P99_SECONDS = 1.0
COUNTED_SECONDS = 5.0
# Fewer than nginx allows one address.
CLIENTS = 200


def _are_tickets(joins: Joins, product_id: int, *, count: int) -> bool:
    """Say whether `count` clients have each got a valid ticket that no other one has."""
    from checkout.waiting_room import tickets

    ids = {tickets.verified(text, product_id=product_id).id for text in joins.tickets}
    return joins.statuses == {200: count} and len(ids) == count


def _are_counted(product_id: int, *, count: int) -> bool:
    """Wait until the queue has counted so many tickets; False when that takes too long."""
    from checkout.waiting_room.models import Queue

    deadline = time.monotonic() + COUNTED_SECONDS
    while Queue.objects.get(pk=product_id).tickets != count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _describe(name: str, joins: Joins) -> str:
    p50, p99 = (1000 * joins.wait_of(share) for share in (0.5, 0.99))
    rate = f"{len(joins.waits):,} joins, {joins.per_second:,.0f} a second"
    return f"{name}: {rate}, p50 {p50:.0f} ms, p99 {p99:.0f} ms, slowest {1000 * max(joins.waits):.0f} ms"


def main() -> None:
    """Join twice, and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--joins", type=int, default=20_000)
    options = parser.parse_args()
    edge.find()
    with open_shop() as shop, serving(shop), edge.in_front_of(shop, file=b"") as running:
        shop.set_up_django()
        product_id, port = add_queued_product(stock=STOCK), int(running.url.rpartition(":")[2])
        full = join_crowd.join(port, product_id, count=options.joins, clients=CLIENTS)
        print(_describe("as fast as they are answered", full), flush=True)
        half = join_crowd.join(port, product_id, count=options.joins, clients=CLIENTS, per_second=full.per_second / 2)
        print(_describe("at half of that rate", half), flush=True)
        are_all = all(_are_tickets(joins, product_id, count=options.joins) for joins in (full, half))
        are_counted = _are_counted(product_id, count=2 * options.joins)
    print(f"{'none lost' if are_all else 'LOST'}, {'all' if are_counted else 'NOT ALL'} counted; {machine()}")
    sys.exit(not (are_all and are_counted and half.wait_of(0.99) < P99_SECONDS))


if __name__ == "__main__":
    main()
