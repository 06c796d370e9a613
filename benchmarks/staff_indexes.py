"""What the indexes that only staff read cost a sale: holds placed and ended a second, with and without them.

`python -m benchmarks.staff_indexes` starts servers of its own, with a million old holds, and prints a table. `pgbench`
runs the bare transactions, so that the indexes are as large a part of the work as they can be.
"""

import statistics
import subprocess
from decimal import Decimal
from pathlib import Path

from benchmarks.shop import ShopUnderTest, open_shop
from flashsale.local import servers
from flashsale.local.supervisor import find_postgres

PRODUCTS, OLD_HOLDS, CLIENTS = 100, 1_000_000, 16
ROUNDS, SECONDS = 7, 4
SCRIPT = Path(__file__).with_name("hold_lifetime.sql")
# Which of the indexes each side has.
SIDES = {"none": (), "by customer": ("hold_by_customer",), "both": ("hold_by_customer", "hold_by_product")}
DEFINITIONS = {
    "hold_by_customer": "checkout_hold (customer_id, created_at) WHERE customer_id <> ''",
    "hold_by_product": "checkout_hold (product_id, created_at)",
}


def pairs_per_second(shop: ShopUnderTest) -> float:
    """Return how many holds were placed and ended a second."""
    database = servers.database_settings(shop.state_dir)
    argv = [find_postgres("pgbench"), "-h", database["HOST"], "-p", database["PORT"], "-U", database["USER"], "-n"]
    argv += ["-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS), "-f", SCRIPT, database["NAME"]]
    completed = subprocess.run(argv, capture_output=True, text=True, check=True)
    figures = dict(line.split(" = ", 1) for line in completed.stdout.splitlines() if " = " in line)
    return float(figures["tps"].split()[0])


def main() -> None:
    """Measure in alternating rounds, and print the medians and the ratio."""
    with open_shop() as shop:
        shop.set_up_django()
        from django.db import connection

        from benchmarks.stored_rows import fill_old
        from catalog import products

        for number in range(PRODUCTS):
            products.add(name=f"Product {number}", price=Decimal(10), currency="USD", stock=1_000_000)
        fill_old(1)
        measured: dict[str, list[float]] = {side: [] for side in SIDES}
        with connection.cursor() as cursor:
            for _ in range(ROUNDS):
                for side, indexes in SIDES.items():
                    cursor.execute(f"DROP INDEX IF EXISTS {', '.join(DEFINITIONS)}")
                    for index in indexes:
                        cursor.execute(f"CREATE INDEX {index} ON {DEFINITIONS[index]}")
                    cursor.execute("CHECKPOINT")
                    measured[side].append(pairs_per_second(shop))
    print("| indexes of staff | holds placed and ended a second | ratio | of single rounds |\n|---|---|---|---|")
    for side, rounds in measured.items():
        ratios = [a / b for a, b in zip(rounds, measured["none"], strict=True)]
        ratio, median = statistics.median(ratios), statistics.median(rounds)
        print(f"| {side} | {median:,.0f} | {ratio:.2f} | {min(ratios):.2f} to {max(ratios):.2f} |")


if __name__ == "__main__":
    main()
