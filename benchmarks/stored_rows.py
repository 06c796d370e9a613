"""Measurements that work on the database directly: pgbench, a million old holds, the expiry of many holds."""

import subprocess
import time
from pathlib import Path

from benchmarks.loads import CLIENTS
from benchmarks.shop import ShopUnderTest
from benchmarks.wrk import Load
from flashsale.local import servers
from flashsale.local.supervisor import find_postgres

OLD_HOLDS = 1_000_000
DUE_HOLDS = 100_000
PGBENCH = Path(__file__).with_name("hold.sql")
# Holds that ended long ago, and active ones that are overdue; `n` of each.
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
BARE_UPDATE = """
UPDATE checkout_hold SET status = 'expired', ended_at = now()
WHERE product_id = %s AND status = 'active' AND expires_at <= now()
"""


def pgbench(shop: ShopUnderTest, product_id: int, seconds: float) -> Load:
    """Run one bare transaction for each hold, without Python."""
    database = servers.database_settings(shop.state_dir)
    argv = [find_postgres("pgbench"), "-h", database["HOST"], "-p", database["PORT"], "-U", database["USER"], "-n"]
    argv += ["-c", str(CLIENTS), "-j", "2", "-T", f"{seconds:g}", "-f", PGBENCH, "-D", f"product={product_id}"]
    completed = subprocess.run([*argv, database["NAME"]], capture_output=True, text=True, check=True)
    figures = dict(line.split(" = ", 1) for line in completed.stdout.splitlines() if " = " in line)
    per_second = float(figures["tps"].split()[0])
    latency_ms = float(figures["latency average"].split()[0])
    return Load(per_second, latency_ms, float("nan"), {200: int(per_second * seconds)}, lost=0)


def fill_old(product_id: int) -> None:
    """Insert a million holds that ended long ago."""
    _fill(FILL_OLD, product_id, OLD_HOLDS)


def expire(product_id: int) -> Load:
    """Insert overdue holds, and measure how long the sweeper takes to expire them."""
    from checkout import holds

    _fill_due(product_id)
    started = time.perf_counter()
    while holds.expire_due():
        pass
    return _rate(started)


def bare_update(product_id: int) -> Load:
    """Insert overdue holds, and measure one UPDATE of them."""
    from django.db import connection

    from catalog.models import Stock

    _fill_due(product_id)
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(BARE_UPDATE, [product_id])
    load = _rate(started)
    Stock.objects.filter(pk=product_id).update(reserved=0)
    return load


def _fill_due(product_id: int) -> None:
    from catalog.models import Stock

    _fill(FILL_DUE, product_id, DUE_HOLDS)
    Stock.objects.filter(pk=product_id).update(reserved=DUE_HOLDS)


def _fill(statement: str, product_id: int, count: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(statement, {"product_id": product_id, "n": count})
        # Now, so that neither a vacuum nor a checkpoint runs during the measurement.
        cursor.execute("VACUUM ANALYZE checkout_hold")
        cursor.execute("CHECKPOINT")


def _rate(started: float) -> Load:
    seconds = time.perf_counter() - started
    return Load(DUE_HOLDS / seconds, 1000 * seconds, 1000 * seconds, {200: DUE_HOLDS}, lost=0)
