"""Times, queries and sizes of the admin's pages, with few rows and with a million holds.

`python -m benchmarks.large_tables.admin_pages` starts servers of its own, fills them by SQL, and prints a table: each
page is requested several times with both numbers of rows, in one run, so that the ratio shows what the rows cost.
"""

import os
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.large_tables.rows import MANY, PRODUCTS, Size, fill, fill_products

FEW = Size(PRODUCTS, holds=200, orders=100)
ROUNDS = 7
ROWS_A_PAGE, LATE_PAGE = 25, 400
# What a page may have at most.
MAX_KB = 300
LISTS = {
    "holds": "checkout/hold", "orders": "checkout/order", "payments": "payments/payment",
    "events": "payments/webhookevent", "refunds": "payments/refund", "disputes": "payments/dispute",
    "products": "catalog/product", "stock": "catalog/stock", "stock adjustments": "catalog/stockadjustment",
}  # fmt: skip
FILTERED = {
    "holds, expired": ("checkout/hold", {"status": "expired"}),
    "holds, active": ("checkout/hold", {"status": "active"}),
    "holds of a product": ("checkout/hold", {"product__id__exact": "7"}),
    "holds of one day": ("checkout/hold", {"created_at_from_0": "{day}", "created_at_to_0": "{day}"}),
    "holds, a late page": ("checkout/hold", {"p": "{late_page}"}),
    "orders, refund due": ("checkout/order", {"refund": "due"}),
    "orders, cancelled": ("checkout/order", {"status": "cancelled"}),
    "orders, pending payment": ("checkout/order", {"status": "pending_payment"}),
    "orders of a product": ("checkout/order", {"product__id__exact": "7"}),
    "orders of one day": ("checkout/order", {"created_at_from_0": "{day}", "created_at_to_0": "{day}"}),
    "events to review": ("payments/webhookevent", {"status__exact": "needs_review"}),
}
SEARCHED = {
    "hold by short id": ("checkout/hold", "{short_hold}"), "hold by customer": ("checkout/hold", "customer-77"),
    "hold by product's name": ("checkout/hold", "Product 777"),
    "hold, nothing found": ("checkout/hold", "nothing-like"),
    "order by id": ("checkout/order", "{order}"), "order by short id": ("checkout/order", "{short_order}"),
    "order by payment": ("checkout/order", "{payment_id}"), "order by customer": ("checkout/order", "customer-77"),
    "order by product's name": ("checkout/order", "Product 777"),
    "order, nothing found": ("checkout/order", "nothing-like"),
    "payment by id": ("payments/payment", "{payment_id}"),
    "event by payment": ("payments/webhookevent", "{payment_id}"),
    "product by name": ("catalog/product", "Product 777"), "stock by product": ("catalog/stock", "Product 777"),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """A page's best time in milliseconds, its queries, and its size in KB.

    Other work on the machine only adds to a time.
    """

    ms: float
    queries: int
    kilobytes: float


def pages() -> dict[str, str]:
    """Return the paths of the pages that are measured, by name."""
    from checkout.models import Hold, Order
    from payments.models import Payment

    order = Order.objects.select_related("hold").order_by("-created_at")[5]
    payment = Payment.objects.get(order=order)
    known = {
        "order": order.pk, "short_order": order.pk.hex[:8], "short_hold": order.hold.pk.hex[:8],
        "payment_id": order.payment_id, "day": order.created_at.date().isoformat(),
        "late_page": min(LATE_PAGE, Hold.objects.count() // ROWS_A_PAGE),
    }  # fmt: skip
    named = {"first page": "", "figures of the first page": "live/"}
    named |= {name: f"{path}/" for name, path in LISTS.items()}
    for name, (path, parameters) in FILTERED.items():
        filled = {key: value.format(**known) for key, value in parameters.items()}
        named[name] = f"{path}/?{urlencode(filled)}"
    named |= {name: f"{path}/?{urlencode({'q': term.format(**known)})}" for name, (path, term) in SEARCHED.items()}
    rows = {
        "hold": order.hold, "order": order, "payment": payment, "event": payment.event, "product": order.product,
        "stock": order.product.stock,
    }  # fmt: skip
    for name, row in rows.items():
        named[f"page of {name}"] = f"{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"
    completion = {"app_label": "checkout", "model_name": "order", "field_name": "product", "term": "Product 77"}
    named["a product's name completed"] = f"autocomplete/?{urlencode(completion)}"
    return {name: f"/admin/{path}" for name, path in named.items()}


def measure(rounds: int = ROUNDS) -> dict[str, Measured]:
    """Request each page `rounds` times as a superuser."""
    from django.contrib.auth.models import User
    from django.core.cache import cache
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(User.objects.get_or_create(username="ann", is_staff=True, is_superuser=True)[0])
    measured = {}
    for name, path in pages().items():
        times, queries, size = [], 0, 0
        for _ in range(rounds):
            cache.clear()
            with CaptureQueriesContext(connection) as captured:
                started = time.perf_counter()
                response = client.get(path, headers={"host": "localhost"})
                times.append(1000 * (time.perf_counter() - started))
            assert response.status_code == 200, path
            queries, size = len(captured), len(response.content)
        measured[name] = Measured(min(times), queries, size / 1024)
    return measured


def table(few: dict[str, Measured], many: dict[str, Measured], size: Size) -> str:
    """Return the table that is printed."""
    lines = [
        f"| page | few rows, ms | {size.holds:,} holds, {size.orders:,} orders, ms | ratio | queries | KB |",
        "|---|---|---|---|---|---|",
    ]
    for name, page in many.items():
        before = few[name].ms
        times = f"{before:.0f} | {page.ms:.0f} | {page.ms / before:.1f}"
        lines.append(f"| {name} | {times} | {page.queries} | {page.kilobytes:.0f} |")
    return "\n".join(lines)


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

    call_command("migrate", verbosity=0)
    fill_products(PRODUCTS)
    fill(FEW)
    few = measure()
    fill(MANY)
    print(table(few, measure(), MANY))


if __name__ == "__main__":
    main()
