"""What the indexes that only staff read cost a sale: PostgreSQL's processor time for a hold, with and without them.

`python -m benchmarks.large_tables.staff_indexes` starts servers of its own, with a million old holds, and prints a
table. One backend places and ends holds of many customers and products; its processor time, unlike the time on the
clock, depends little on what else the machine does.
"""

import os
import statistics
from decimal import Decimal
from pathlib import Path

from benchmarks.shop import open_shop

PRODUCTS, HOLDS, ROUNDS = 100, 20_000, 5
DEFINITIONS = {
    "hold_by_customer": "checkout_hold (customer_id, created_at) WHERE customer_id <> ''",
    "hold_by_product": "checkout_hold (product_id, created_at)",
}
# Which of the indexes each side has.
SIDES = {"neither": (), "customer": ("hold_by_customer",), "customer and product": tuple(DEFINITIONS)}
PLACE_AND_END = f"""
DO $$
DECLARE hold uuid;
BEGIN
    FOR n IN 1..{HOLDS} LOOP
        INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status, created_at,
            expires_at)
        VALUES (gen_random_uuid(), 1 + n % {PRODUCTS}, 1, 10, 'USD', 'customer-' || (random() * 50000)::integer,
            'active', clock_timestamp(), clock_timestamp() + interval '2 minutes')
        RETURNING id INTO hold;
        UPDATE checkout_hold SET status = 'released', ended_at = clock_timestamp() WHERE id = hold;
    END LOOP;
END $$
"""


def microseconds_of_a_hold(cursor) -> float:
    """Return the backend's processor time for placing and ending one hold."""
    cursor.execute("SELECT pg_backend_pid()")
    process = cursor.fetchone()[0]
    before = _processor_seconds(process)
    cursor.execute(PLACE_AND_END)
    return 1_000_000 * (_processor_seconds(process) - before) / HOLDS


def _processor_seconds(process: int) -> float:
    """Return the user and system time of a process (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure in alternating rounds, and print the medians."""
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
                    measured[side].append(microseconds_of_a_hold(cursor))
    print("| indexes of staff | µs of a hold | of single rounds |\n|---|---|---|")
    for side, rounds in measured.items():
        print(f"| {side} | {statistics.median(rounds):.0f} | {min(rounds):.0f} to {max(rounds):.0f} |")


if __name__ == "__main__":
    main()
