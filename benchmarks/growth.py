"""Holds per second as the number of clients grows, and as the number of products grows.

`python -m benchmarks.growth` prints a table for each. The first also shows how long an order and its payment take at
the same time, for clients that buy another product.
"""

import argparse
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from benchmarks import flows, wrk
from benchmarks.loads import AMPLE_STOCK
from benchmarks.results import machine
from benchmarks.shop import ShopUnderTest, open_shop, serving

CLIENTS = (16, 64, 256, 640, 1024)
PRODUCTS = (1, 4, 16)
CLIENTS_IN_ALL = 64
BUYERS = 4


def _clients(shop: ShopUnderTest, seconds: float) -> None:
    """Print the table by clients: they place holds on one product, while a few others buy and pay for another one."""
    print("\n| clients | holds a second | busy a second | p50 ms | p99 ms | pay meanwhile, p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    hot, other = shop.add_product(stock=AMPLE_STOCK), shop.add_product(stock=AMPLE_STOCK)
    for clients in CLIENTS:
        paid: list[wrk.Load] = []
        buyers = threading.Thread(
            target=lambda results=paid: results.append(
                flows.run(
                    shop.port,
                    flows.SHOP,
                    product_id=other,
                    key=shop.key,
                    clients=BUYERS,
                    seconds=seconds,
                    only_paying=True,
                )
            )
        )
        buyers.start()
        load = _holds(shop, hot, clients=clients, seconds=seconds)
        buyers.join()
        busy = load.statuses.get(503, 0) / seconds
        print(
            f"| {clients} | {load.statuses.get(201, 0) / seconds:,.0f} | {busy:,.0f} | {load.p50_ms:.0f} |"
            f" {load.p99_ms:.0f} | {paid[0].p50_ms:.0f} | {paid[0].p99_ms:.0f} |",
            flush=True,
        )


def _products(shop: ShopUnderTest, seconds: float) -> None:
    """Print the table by products: 64 clients, divided equally among them."""
    print("\n| products | holds a second |\n|---|---|")
    for count in PRODUCTS:
        with ThreadPoolExecutor(count) as pool:
            clients = CLIENTS_IN_ALL // count
            loads = list(
                pool.map(
                    lambda product, n=clients: _holds(shop, product, clients=n, seconds=seconds),
                    [shop.add_product(stock=AMPLE_STOCK) for _ in range(count)],
                )
            )
        print(f"| {count} | {sum(load.per_second for load in loads):,.0f} |", flush=True)


def _holds(shop: ShopUnderTest, product_id: int, *, clients: int, seconds: float) -> wrk.Load:
    body = json.dumps({"product_id": product_id, "quantity": 1})
    return wrk.run(f"{shop.url}/api/v1/holds", clients=clients, seconds=seconds, method="POST", body=body)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    wrk.find()
    with open_shop() as shop, serving(shop):
        _holds(shop, shop.add_product(stock=AMPLE_STOCK), clients=64, seconds=2)
        _clients(shop, options.seconds)
        _products(shop, options.seconds)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
