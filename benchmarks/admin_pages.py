"""Response times and query counts of the admin's pages, with few rows and with a million holds.

`python -m benchmarks.admin_pages` starts servers of its own, fills them by SQL, and prints a table: each page is
requested several times with both numbers of rows, in one run, so that the ratio shows what the rows cost.
"""

import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

HOLDS, ORDERS, PRODUCTS = 1_000_000, 200_000, 20
FEW_HOLDS, FEW_ORDERS = 200, 100
ROUNDS = 7
PAGES = {
    "dashboard's figures": "/admin/live/",
    "holds": "/admin/checkout/hold/",
    "holds, active": "/admin/checkout/hold/?status__exact=active",
    "hold by customer": "/admin/checkout/hold/?q=customer-77",
    "orders": "/admin/checkout/order/",
    "orders, refund due": "/admin/checkout/order/?refund__exact=due",
    "payments": "/admin/payments/payment/",
    "events": "/admin/payments/webhookevent/",
    "events to review": "/admin/payments/webhookevent/?status__exact=needs_review",
    "stock": "/admin/catalog/stock/",
}
# Holds that ended; %(orders)s of them with an order, an event and a payment.
FILL = """
INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status, created_at, expires_at,
    ended_at, client, body_hash)
SELECT gen_random_uuid(), 1 + n %% {products}, 1, 10, 'USD', 'customer-' || n %% 50000,
    CASE WHEN n <= %(orders)s THEN 'converted' ELSE 'expired' END, now() - n * interval '1 second',
    now() - n * interval '1 second' + interval '2 minutes', now(), '', ''
FROM generate_series(1, %(holds)s) AS n;
INSERT INTO checkout_order (id, hold_id, product_id, quantity, unit_price, total_amount, currency, customer_id, status,
    payment_id, refund, refunded_amount, created_at, payment_due_at, paid_at, client, body_hash)
SELECT gen_random_uuid(), id, product_id, 1, 10, 10, 'USD', customer_id, 'paid', 'pay_' || id, '', 0, created_at,
    created_at + interval '15 minutes', created_at, '', ''
FROM checkout_hold WHERE status = 'converted';
INSERT INTO payments_webhookevent (provider, event_id, fingerprint, headers, type, kind, currency, amount_is_total,
    malformed, status, reason, attempts, last_error, received_at, processed_at, order_id, settled_note)
SELECT 'standard', payment_id, '', '{{}}', 'success', 'success', 'USD', false, '', 'applied', 'order_paid', 1, '',
    created_at, created_at, id, ''
FROM checkout_order;
INSERT INTO payments_payment (provider, payment_id, order_id, event_id, amount, currency, status, reason,
    refunded_amount, created_at, refunded_note)
SELECT 'standard', event_id, order_id, id, 10, 'USD', 'applied', '', 0, received_at, '' FROM payments_webhookevent;
UPDATE catalog_stock AS stock SET sold = (
    SELECT count(*) FROM checkout_order WHERE product_id = stock.product_id AND status = 'paid');
ANALYZE;
"""


def main() -> None:
    """Start servers, measure with few rows, fill, measure again, print."""
    state_dir = Path(tempfile.mkdtemp(prefix="flashsale-bench-"))
    os.environ |= {
        "LOCAL_MODE": "1", "SECRET_KEY": secrets.token_urlsafe(48), "STATE_DIR": str(state_dir),
        "ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "flashsale.settings",
        "DATABASE_STATEMENT_TIMEOUT_MS": "600000", "LOG_LEVEL": "ERROR",
    }  # fmt: skip
    from flashsale.local import servers

    lease = servers.use(state_dir)
    try:
        _run()
    finally:
        lease.close()
        servers.wait_until_stopped(state_dir)
        shutil.rmtree(state_dir)


def _run() -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from catalog import products

    call_command("migrate", verbosity=0)
    for number in range(PRODUCTS):
        products.add(name=f"Product {number}", price=10, currency="USD", stock=1_000_000)
    _fill(connection, holds=FEW_HOLDS, orders=FEW_ORDERS)
    few = _measure()
    _fill(connection, holds=HOLDS, orders=ORDERS)
    many = _measure()
    print(f"| page | few rows, ms | {HOLDS:,} holds, {ORDERS:,} orders, ms | ratio | queries |\n|---|---|---|---|---|")
    for name, (ms, _) in few.items():
        many_ms, queries = many[name]
        print(f"| {name} | {ms:.0f} | {many_ms:.0f} | {many_ms / ms:.1f} | {queries} |")


def _fill(connection, *, holds: int, orders: int) -> None:
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE checkout_hold, checkout_order, payments_webhookevent, payments_payment, payments_refund"
        )
        cursor.execute(FILL.format(products=PRODUCTS), {"holds": holds, "orders": orders})
    print(f"{holds:,} holds inserted in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _measure() -> dict[str, tuple[float, int]]:
    """Return for each page the median of its times in milliseconds, and its queries."""
    from django.contrib.auth.models import User
    from django.core.cache import cache
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(User.objects.get_or_create(username="ann", is_staff=True, is_superuser=True)[0])
    measured = {}
    for name, path in PAGES.items():
        times, queries = [], 0
        for _ in range(ROUNDS):
            cache.clear()
            with CaptureQueriesContext(connection) as captured:
                started = time.perf_counter()
                assert client.get(path, headers={"host": "localhost"}).status_code == 200, path
                times.append(1000 * (time.perf_counter() - started))
            queries = len(captured)
        measured[name] = statistics.median(times), queries
    return measured


if __name__ == "__main__":
    main()
