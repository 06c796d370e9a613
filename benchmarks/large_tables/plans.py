"""The plans of a sale's queries with a million old holds: the indexes that they use, and their times.

`python -m benchmarks.large_tables.plans` starts servers of its own, fills them by SQL, and prints a table.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from benchmarks.large_tables.rows import FILL, HOLDS, ORDERS
from benchmarks.shop import open_shop

# Few, so that each has many holds.
PRODUCTS = 20
CUSTOMER, KEY = "customer-77", "0123456789abcdef"


def _queries() -> dict[str, Any]:
    """Return the queries that a sale makes."""
    from django.db.models import Q
    from django.utils import timezone

    from catalog import availability
    from catalog.models import Product, Stock
    from checkout.models import Hold, Order
    from payments.inbox import matching
    from payments.models import Payment, WebhookEvent

    now, order = timezone.now(), Order.objects.first()
    active, paid = Hold.Status.ACTIVE, Order.Status.PAID
    parked = WebhookEvent.objects.filter(status="parked")
    return {
        "the stock of a product": Stock.objects.filter(pk=1),
        "a product with its availability": availability.annotate_forecast(Product.objects.filter(pk=1)),
        "overdue holds, oldest first": Hold.objects.overdue(now).order_by("expires_at")[:2000],
        "overdue holds of a product": Hold.objects.overdue(now).filter(product_id=1).order_by("pk")[:2000],
        "a customer's active holds": Hold.objects.filter(product_id=1, customer_id=CUSTOMER, status=active),
        "a customer's paid orders": Order.objects.filter(product_id=1, customer_id=CUSTOMER, status=paid),
        "a hold by its key": Hold.objects.filter(client="", idempotency_key=KEY),
        "a hold by its id": Hold.objects.filter(pk=order.hold_id),
        "an order by its payment id": Order.objects.filter(payment_id=order.payment_id),
        "overdue orders, oldest first": Order.objects.overdue(now).order_by("payment_due_at")[:2000],
        "an event by its id": WebhookEvent.objects.filter(provider="standard", event_id=order.payment_id),
        "events that are due": WebhookEvent.objects.filter(
            status__in=["received", "failed"], next_attempt_at__lte=now
        ).order_by("next_attempt_at")[:200],
        "parked events for an order": parked.filter(
            Q(order_ref=order.pk) | Q(hold_ref=order.hold_id) | Q(payment_ref=order.payment_id)
        ),
        "parked events whose order exists": matching.parked_with_order()[:200],
        "parked events that are too old": parked.filter(parked_at__lte=now - timedelta(hours=24)),
        "a payment by its id": Payment.objects.filter(provider="standard", payment_id=order.payment_id),
    }


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a plan, the outermost first."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def main() -> None:
    """Fill the tables and print the plans."""
    with open_shop() as shop:
        shop.set_up_django()
        from django.db import connection

        from catalog import products

        for number in range(PRODUCTS):
            products.add(name=f"Product {number}", price=Decimal(10), currency="USD", stock=1_000_000)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(FILL.format(products=PRODUCTS), {"holds": HOLDS, "orders": ORDERS})
            cursor.execute("VACUUM ANALYZE")
        print(f"With {HOLDS:,} holds and {ORDERS:,} orders:\n\n| query | plan | ms |\n|---|---|---|")
        for name, query in _queries().items():
            [explained] = json.loads(query.explain(format="json", analyze=True))
            used = [
                node.get("Index Name") or f"{node['Node Type']} on {node['Relation Name']}"
                for node in nodes(explained["Plan"])
                if "Index Name" in node or ("Relation Name" in node and node["Node Type"] == "Seq Scan")
            ]
            print(f"| {name} | {', '.join(dict.fromkeys(used))} | {explained['Execution Time']:.2f} |")


if __name__ == "__main__":
    main()
