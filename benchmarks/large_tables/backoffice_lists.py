"""The lists of the back office with a million orders: the indexes that they use, the rows they read, and their times.

`python -m benchmarks.large_tables.backoffice_lists` starts servers of its own, fills them by SQL, and prints a table.
Of the orders one in 50 is cancelled, one in 2,000 is due for refund, and all others are paid; the first 50 of each list
are read.
"""

import json
from decimal import Decimal
from typing import Any

from benchmarks.large_tables.plans import nodes
from benchmarks.large_tables.rows import FILL
from benchmarks.shop import open_shop

ORDERS, PRODUCTS, ROWS = 1_000_000, 20, 50
ORDER_LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "paid": {"status": "paid"},
    "pending": {"status": "pending_payment"},
    "expired": {"status": "expired"},
    "cancelled": {"status": "cancelled"},
    "due for refund": {"refund": "due"},
    "refunded": {"refund": "done"},
    "of a customer": {"customer_id": "customer-77"},
    "of a product": {"product_id": 7},
    "cancelled of a product": {"product_id": 7, "status": "cancelled"},
    "of a payment id": {"payment_id": "pay_77"},
}
PAYMENT_LISTS = ("", "applied", "refund_due", "refunded")


def _lists() -> dict[str, list[Any]]:
    """Return the querysets of each list, by its name."""
    from checkout import orders
    from flashsale.core import clock
    from payments.backoffice.views import of_status

    now = clock.now()
    found = {f"orders, {name}": orders.find(now=now, **filters) for name, filters in ORDER_LISTS.items()}
    return found | {f"payments, {status or 'all'}": [of_status(status)] for status in PAYMENT_LISTS}


def _measured(query: Any) -> tuple[list[str], int, float]:
    """Return the indexes that a query uses, the rows that it reads, and its milliseconds."""
    [explained] = json.loads(query.explain(format="json", analyze=True))
    used, rows = [], 0
    for node in nodes(explained["Plan"]):
        if "Scan" in node["Node Type"]:
            rows += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            used.append(node.get("Index Name") or f"{node['Node Type']} on {node.get('Relation Name')}")
    return used, int(rows), explained["Execution Time"]


def main() -> None:
    """Fill the tables and print the plans."""
    with open_shop() as shop:
        shop.set_up_django()
        from django.db import connection

        from catalog import products
        from flashsale.core.backoffice import newest_first

        for number in range(PRODUCTS):
            products.add(name=f"Product {number}", price=Decimal(10), currency="USD", stock=1_000_000)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(FILL.format(products=PRODUCTS), {"holds": ORDERS, "orders": ORDERS})
            cursor.execute("VACUUM ANALYZE")
        print(f"With {ORDERS:,} orders:\n\n| list | plan | rows read | ms |\n|---|---|---|---|")
        for name, branches in _lists().items():
            measured = [_measured(newest_first.newest(branch)[: ROWS + 1]) for branch in branches]
            used = ", ".join(dict.fromkeys(index for indexes, _, _ in measured for index in indexes))
            read, spent = sum(rows for _, rows, _ in measured), sum(ms for _, _, ms in measured)
            print(f"| {name} | {used} | {read:,} | {spent:.2f} |")


if __name__ == "__main__":
    main()
