"""Rows for measurements of the admin and of a sale's queries: products, holds, orders, events and payments, by SQL."""

import sys
import time
from dataclasses import dataclass

HOLDS, ORDERS, PRODUCTS = 1_000_000, 200_000, 10_000
TABLES = "checkout_hold, checkout_order, payments_webhookevent, payments_payment, payments_refund"
FILL_PRODUCTS = """
INSERT INTO catalog_product (id, name, description, price, currency, is_published, max_per_hold, created_at, updated_at)
SELECT n, 'Product ' || n, '', 10, 'USD', true, 10, now(), now() FROM generate_series(1, %(products)s) AS n;
INSERT INTO catalog_stock (product_id, total, reserved, sold, version)
SELECT id, 1000000, 0, 0, 0 FROM catalog_product;
SELECT setval(pg_get_serial_sequence('catalog_product', 'id'), %(products)s);
"""
# Holds that ended; %(orders)s of them with an order, an event and a payment. Products have the ids from 1. One order in
# 50 is cancelled; of the paid ones a few are due for refund, and some events wait for a decision.
FILL = """
INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status, created_at, expires_at,
    ended_at, client, body_hash)
SELECT gen_random_uuid(), 1 + n %% {products}, 1, 10, 'USD', 'customer-' || n %% 50000,
    CASE WHEN n <= %(orders)s THEN 'converted' ELSE 'expired' END, now() - n * interval '1 second',
    now() - n * interval '1 second' + interval '2 minutes', now(), '', ''
FROM generate_series(1, %(holds)s) AS n;
INSERT INTO checkout_order (id, hold_id, product_id, quantity, unit_price, total_amount, currency, customer_id, status,
    payment_id, refund, refunded_amount, created_at, payment_due_at, paid_at, closed_at, client, body_hash)
SELECT gen_random_uuid(), id, product_id, 1, 10, 10, 'USD', customer_id,
    CASE WHEN n %% 50 = 0 THEN 'cancelled' ELSE 'paid' END, 'pay_' || id,
    CASE WHEN n %% 2000 = 1 THEN 'due' ELSE '' END, 0, created_at,
    created_at + interval '15 minutes', CASE WHEN n %% 50 <> 0 THEN created_at END,
    CASE WHEN n %% 50 = 0 THEN created_at END, '', ''
FROM (SELECT *, row_number() OVER (ORDER BY created_at DESC) AS n
      FROM checkout_hold WHERE status = 'converted') AS hold;
INSERT INTO payments_webhookevent (provider, event_id, fingerprint, headers, type, kind, currency, amount_is_total,
    malformed, status, reason, attempts, last_error, received_at, processed_at, order_id, order_ref, payment_ref,
    amount, settled_note)
SELECT 'standard', payment_id, '', '{{}}', 'success', 'success', 'USD', false, '',
    CASE WHEN refund = 'due' THEN 'needs_review' ELSE 'applied' END,
    CASE WHEN refund = 'due' THEN 'amount_differs' ELSE 'order_paid' END, 1, '', created_at, created_at, id, id,
    payment_id, 10, ''
FROM checkout_order;
INSERT INTO payments_payment (provider, payment_id, order_id, event_id, amount, currency, status, reason,
    refunded_amount, created_at, refunded_note)
SELECT 'standard', event_id, order_id, id, 10, 'USD', 'applied', '', 0, received_at, '' FROM payments_webhookevent;
UPDATE catalog_stock AS stock SET sold = paid.units FROM (
    SELECT product_id, count(*) AS units FROM checkout_order WHERE status = 'paid' GROUP BY product_id) AS paid
WHERE paid.product_id = stock.product_id;
ANALYZE;
"""


@dataclass(frozen=True)
class Size:
    """How many rows a shop has; each order has a hold, an event and a payment."""

    products: int
    holds: int
    orders: int


MANY = Size(PRODUCTS, HOLDS, ORDERS)


def fill_products(products: int) -> None:
    """Insert products with the ids from 1, into a database that has none."""
    _execute(FILL_PRODUCTS, {"products": products})


def fill(size: Size) -> None:
    """Replace all holds and orders by as many as `size` says, of products that exist."""
    started = time.monotonic()
    _execute(f"TRUNCATE {TABLES} CASCADE", {})
    _execute(FILL.format(products=size.products), {"holds": size.holds, "orders": size.orders})
    print(f"{size.holds:,} holds inserted in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _execute(statements: str, parameters: dict[str, int]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statements, parameters)
