"""`make bench`: every promise about speed, as a ratio of two sides measured turn by turn in one run on one machine.

`python -m benchmarks.sale [row ...]` measures only those rows. Each side has several rounds; a ratio is one of medians.
After every row the audit runs. An answer that does not belong to a row (a 429, an unexpected 5xx) ends the run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from benchmarks import flows, wrk
from benchmarks.results import Row, Side, machine, measure, table
from benchmarks.shop import Shop, free_port, open_shop, serving
from benchmarks.wrk import Load
from flashsale import server
from flashsale.local import servers
from flashsale.local.supervisor import find_postgres

CLIENTS = 64
PLENTY = 2_000_000_000
OLD_HOLDS = 1_000_000
DUE_HOLDS = 100_000
PGBENCH = Path(__file__).with_name("hold.sql")
# Old holds that ended long ago, and active ones that are overdue; %(n)s of them.
FILL_OLD = """
INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status, created_at, expires_at,
    ended_at)
SELECT gen_random_uuid(), %(product_id)s, 1, 10, 'USD', 'customer-' || n %% 50000, 'expired',
    now() - n * interval '1 second', now() - n * interval '1 second' + interval '2 minutes', now()
FROM generate_series(1, %(n)s) AS n
"""
FILL_DUE = """
INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status, created_at, expires_at)
SELECT gen_random_uuid(), %(product_id)s, 1, 10, 'USD', '', 'active', now() - interval '5 minutes',
    now() - interval '3 minutes' - n * interval '1 millisecond' FROM generate_series(1, %(n)s) AS n
"""


class Bench:
    """The rows, over one shop with one web server."""

    def __init__(self, shop: Shop, *, seconds: float, rounds: int) -> None:
        self._shop = shop
        self._rounds = rounds
        self._seconds = seconds

    def rows(self) -> dict[str, Callable[[], list[Row]]]:
        """Return what can be measured, by the name for the command line; each prepares itself when it is called."""
        return {
            "holds": self._holds, "refusals": self._refusals, "products": self._products, "flows": self._flows,
            "old": self._old, "expiry": self._expiry,
        }  # fmt: skip

    def _holds(self) -> list[Row]:
        ours, theirs, bare = (self._product() for _ in range(3))
        shop = Side("holds", lambda: self._post("/api/v1/holds", ours), frozenset({201}))
        ordinary = Side("the ordinary view", lambda: self._post("/bench/holds", theirs), frozenset({201}))
        pgbench = Side("pgbench, one bare transaction each", lambda: self._pgbench(bare))
        return [Row("holds, one hot product", 10, shop, ordinary), Row("holds, one hot product", 1.5, shop, pgbench)]

    def _refusals(self) -> list[Row]:
        gone = self._product(stock=0)
        refused, constant = frozenset({409}), self._post
        ours = Side("sold-out refusals", lambda: self._post("/api/v1/holds", gone), refused)
        keyed = Side("with an Idempotency-Key", lambda: self._post("/api/v1/holds", gone, keyed=True), refused)
        bare = Side("bare view with a serializer", lambda: constant("/bench/constant", gone), refused)
        bare_keyed = Side("bare view with a serializer", lambda: constant("/bench/constant", gone, keyed=True), refused)
        return [Row("sold-out refusals", 1, ours, bare), Row("the same with keys", 0.5, keyed, bare_keyed)]

    def _products(self) -> list[Row]:
        product_id = self._product(stock=1000)
        ours = Side("GET /products/{id}", lambda: self._get(f"/api/v1/products/{product_id}"))
        return [Row("product reads", 0.8, ours, Side("bare view", lambda: self._get("/bench/constant")))]

    def _flows(self) -> list[Row]:
        ours, theirs = self._product(), self._product()
        paid = frozenset({200, 201})
        shop = Side("whole paid flows", lambda: self._flow(flows.SHOP, ours), paid)
        ordinary = Side("the ordinary way", lambda: self._flow(flows.ORDINARY, theirs), paid)
        return [Row("whole paid flows", 2, shop, ordinary)]

    def _old(self) -> list[Row]:
        """The rounds with few rows were measured before the old ones came, so both sides come one after the other."""
        few, many = self._product(), self._product()
        before = [self._post("/api/v1/holds", few) for _ in range(self._rounds)]
        self._fill(FILL_OLD, many, OLD_HOLDS)
        rounds = iter(before)
        full = Side("with 1,000,000 old holds", lambda: self._post("/api/v1/holds", many), frozenset({201}))
        empty = Side("with none", lambda: next(rounds), frozenset({201}))
        return [Row("holds beside old ones", 0.9, full, empty, warms_up=False)]

    def _expiry(self) -> list[Row]:
        ours, theirs = self._product(), self._product()
        shop = Side("expiring 100,000 holds", lambda: self._expire(ours))
        bare = Side("one bare UPDATE", lambda: self._bare_update(theirs))
        return [Row("expiry", 1 / 3, shop, bare, warms_up=False)]

    def _product(self, stock: int = PLENTY) -> int:
        from catalog import products

        return products.add(name="Widget", price=Decimal(10), currency="USD", stock=stock).pk

    def _post(self, path: str, product_id: int, *, keyed: bool = False) -> Load:
        body = json.dumps({"product_id": product_id, "quantity": 1})
        return wrk.run(
            self._shop.url + path, clients=CLIENTS, seconds=self._seconds, method="POST", body=body, keyed=keyed
        )

    def _get(self, path: str) -> Load:
        return wrk.run(self._shop.url + path, clients=CLIENTS, seconds=self._seconds)

    def _flow(self, paths: flows.Paths, product_id: int) -> Load:
        return flows.run(
            self._shop.port, paths, product_id=product_id, key=self._shop.key, clients=CLIENTS, seconds=self._seconds
        )

    def _pgbench(self, product_id: int) -> Load:
        database = servers.database_settings(self._shop.state_dir)
        argv = [find_postgres("pgbench"), "-h", database["HOST"], "-p", database["PORT"], "-U", database["USER"], "-n"]
        argv += [
            "-c",
            str(CLIENTS),
            "-j",
            "2",
            "-T",
            f"{self._seconds:g}",
            "-f",
            PGBENCH,
            "-D",
            f"product={product_id}",
        ]
        done = subprocess.run([*argv, database["NAME"]], capture_output=True, text=True, check=True)
        found = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
        per_second = float(found["tps"].split()[0])
        latency_ms = float(found["latency average"].split()[0])
        return Load(per_second, latency_ms, float("nan"), {200: int(per_second * self._seconds)}, lost=0)

    def _fill(self, statement: str, product_id: int, count: int) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(statement, {"product_id": product_id, "n": count})
            # What the filling left to do is not what is measured.
            cursor.execute("VACUUM ANALYZE checkout_hold")
            cursor.execute("CHECKPOINT")

    def _due(self, product_id: int) -> None:
        from catalog.models import Stock

        self._fill(FILL_DUE, product_id, DUE_HOLDS)
        Stock.objects.filter(pk=product_id).update(reserved=DUE_HOLDS)

    def _expire(self, product_id: int) -> Load:
        from checkout import holds

        self._due(product_id)
        started = time.perf_counter()
        while holds.expire_due():
            pass
        return _rate(started)

    def _bare_update(self, product_id: int) -> Load:
        from django.db import connection

        from catalog.models import Stock

        self._due(product_id)
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE checkout_hold SET status = 'expired', ended_at = now()"
                " WHERE product_id = %s AND status = 'active' AND expires_at <= now()",
                [product_id],
            )
        load = _rate(started)
        Stock.objects.filter(pk=product_id).update(reserved=0)
        return load


def _rate(started: float) -> Load:
    seconds = time.perf_counter() - started
    return Load(DUE_HOLDS / seconds, 1000 * seconds, 1000 * seconds, {200: DUE_HOLDS}, lost=0)


def main() -> None:
    """Measure the rows that the command line names, or all, and print the table; exit 1 when a promise is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--workers", type=int, default=server.WORKERS)
    parser.add_argument("--threads", type=int, default=server.THREADS)
    asked = parser.parse_args()
    wrk.find()
    results = []
    with open_shop(free_port()) as shop:
        from checkout import audit

        bench = Bench(shop, seconds=asked.seconds, rounds=asked.rounds)
        argv = server.argv(host="127.0.0.1", port=shop.port, workers=asked.workers, threads=asked.threads)
        with serving(shop, argv):
            for name, prepare in bench.rows().items():
                if asked.rows and name not in asked.rows:
                    continue
                for row in prepare():
                    print(row.name, flush=True)
                    results.append(measure(row, rounds=asked.rounds))
                    print(table(results[-1:]), flush=True)
                    if drift := audit.find_drift():
                        sys.exit(f"The books are wrong after {row.name}: {drift}")
    print(f"\n{machine()}\n\n{table(results)}")
    if any(found.ratio < found.row.promised for found in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
