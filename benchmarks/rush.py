"""`python -m benchmarks.rush`: many clients request few units at the same moment; each must get an answer in time.

A client opens a connection, requests a hold, retries after `Retry-After` while the answer is `busy`, and pays for its
hold. Exit 1 unless all units are sold, the audit finds no drift, no client got a 5xx other than `busy`, and the last
answer came within `IN_TIME_SECONDS`.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter

from benchmarks.http_client import Client
from benchmarks.paid_flows import flows
from benchmarks.shop import ShopUnderTest, open_shop, serving

IN_TIME_SECONDS = 10
BUSY = 503


async def _client(
    shop: ShopUnderTest, product_id: int, start: asyncio.Event, outcomes: Counter[str | int], waits: list[float]
) -> None:
    client = Client(shop.port)
    await client.open()
    await start.wait()
    started = time.perf_counter()
    body = json.dumps({"product_id": product_id, "quantity": 1}).encode()
    while (answer := await client.post(flows.SHOP.holds, body, {}))[0] == BUSY:
        outcomes["busy"] += 1
        await asyncio.sleep(float(client.headers.get("retry-after", 1)))
    waits.append(time.perf_counter() - started)
    outcomes[f"hold {answer[0]}"] += 1
    if answer[0] == 201:
        await flows.pay(client, flows.SHOP, answer[1], shop.key, outcomes)
    await client.close()


async def _rush(shop: ShopUnderTest, product_id: int, clients: int) -> tuple[Counter[str | int], list[float]]:
    start, outcomes, waits = asyncio.Event(), Counter(), []
    tasks = [asyncio.create_task(_client(shop, product_id, start, outcomes, waits)) for _ in range(clients)]
    # Time for all connections to open.
    await asyncio.sleep(2)
    start.set()
    await asyncio.gather(*tasks)
    return outcomes, sorted(waits)


def main() -> None:
    """Run one rush and print the answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--stock", type=int, default=100)
    options = parser.parse_args()
    with open_shop() as shop, serving(shop):
        shop.set_up_django()
        from catalog.models import Stock
        from checkout import audit

        product_id = shop.add_product(stock=options.stock)
        outcomes, waits = asyncio.run(_rush(shop, product_id, options.clients))
        stock, drift = Stock.objects.get(pk=product_id), audit.find_drift()
    print(
        f"{options.clients} clients, {options.stock} units: {stock.sold} sold, {stock.reserved} reserved, drift {drift}"
    )
    print(", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items(), key=str)))
    print(f"answer after p50 {waits[len(waits) // 2]:.2f} s, the last after {waits[-1]:.2f} s")
    is_good = stock.sold == options.stock and not drift and waits[-1] < IN_TIME_SECONDS
    sys.exit(not is_good or any(str(name)[-3:] in ("500", "502", "504") for name in outcomes))


if __name__ == "__main__":
    main()
