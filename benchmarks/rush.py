"""`python -m benchmarks.rush`: so many clients at the same moment want so few units; each must get an answer, and soon.

A client opens its connection, asks for a unit, waits as long as `Retry-After` says when it hears `busy`, and pays for
what it got. Exit 1 unless all units are sold, none twice, nobody saw another 5xx, and everybody had an answer in time.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from decimal import Decimal

from benchmarks import flows
from benchmarks.shop import Shop, free_port, open_shop, serving
from flashsale import server

IN_TIME_SECONDS = 10
BUSY = 503


async def _client(
    shop: Shop, product_id: int, start: asyncio.Event, seen: Counter[str | int], waits: list[float]
) -> None:
    client = flows.Client(shop.port)
    await client.open()
    await start.wait()
    started = time.perf_counter()
    wanted = json.dumps({"product_id": product_id, "quantity": 1}).encode()
    while (answer := await client.post(flows.SHOP.holds, wanted, {}))[0] == BUSY:
        seen["busy"] += 1
        await asyncio.sleep(float(client.headers.get("retry-after", 1)))
    waits.append(time.perf_counter() - started)
    seen[f"hold {answer[0]}"] += 1
    if answer[0] == 201:
        await flows.pay(client, flows.SHOP, answer[1], shop.key, seen)
    await client.close()


async def _rush(shop: Shop, product_id: int, clients: int) -> tuple[Counter[str | int], list[float]]:
    start, seen, waits = asyncio.Event(), Counter(), []
    everybody = [asyncio.create_task(_client(shop, product_id, start, seen, waits)) for _ in range(clients)]
    # All connections are open before anybody speaks.
    await asyncio.sleep(2)
    start.set()
    await asyncio.gather(*everybody)
    return seen, sorted(waits)


def main() -> None:
    """Run one rush and print what everybody was answered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--stock", type=int, default=100)
    asked = parser.parse_args()
    with open_shop(free_port()) as shop, serving(shop, server.argv(host="127.0.0.1", port=shop.port)):
        from catalog import products
        from catalog.models import Stock
        from checkout import audit

        product_id = products.add(name="Widget", price=Decimal(10), currency="USD", stock=asked.stock).pk
        seen, waits = asyncio.run(_rush(shop, product_id, asked.clients))
        stock, drift = Stock.objects.get(pk=product_id), audit.find_drift()
    print(f"{asked.clients} clients, {asked.stock} units: {stock.sold} sold, {stock.reserved} reserved, drift {drift}")
    print(", ".join(f"{name}: {count}" for name, count in sorted(seen.items(), key=str)))
    print(f"answer after p50 {waits[len(waits) // 2]:.2f} s, the last after {waits[-1]:.2f} s")
    is_good = stock.sold == asked.stock and not drift and waits[-1] < IN_TIME_SECONDS
    sys.exit(not is_good or any(str(name)[-3:] in ("500", "502", "504") for name in seen))


if __name__ == "__main__":
    main()
