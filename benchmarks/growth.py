"""Holds per second as the number of clients grows, and as the number of products grows.

`make bench` measures the sides of this module. `python -m benchmarks.growth` prints a table for each, with more steps:
the first also shows how long an order and its payment take at the same time, for clients that buy another product.
"""

import argparse
import json
import threading
from collections.abc import Sequence
from itertools import chain, repeat

from benchmarks import wrk
from benchmarks.loads import AMPLE_STOCK
from benchmarks.loads import CLIENTS as FEW
from benchmarks.paid_flows import flows
from benchmarks.results import Side, machine
from benchmarks.shop import ShopUnderTest, open_shop, serving

CLIENTS = (16, 64, 256, 640, 1024)
PRODUCTS = (1, 4, 16)
CROWDS = (256, 1024)
MANY_PRODUCTS = 16
BUYERS = 4
CREATED, BUSY = 201, 503


def sides_by_clients(shop: ShopUnderTest, seconds: float) -> list[Side]:
    """Return the holds of 64 clients on one product, then those of more clients, to which the shop may answer `busy`.

    Only holds count, not `busy`.
    """
    product_id = shop.add_product(stock=AMPLE_STOCK)

    def of(clients: int, *expected: int) -> Side:
        return Side(
            f"holds of {clients:,} clients",
            lambda: _holds(shop, [product_id], clients=clients, seconds=seconds).only(CREATED),
            frozenset(expected),
        )

    return [of(FEW, CREATED), *(of(clients, CREATED, BUSY) for clients in CROWDS)]


def sides_by_products(shop: ShopUnderTest, seconds: float) -> list[Side]:
    """Return the holds of 64 clients on one product; on 16 in turn; and every other one on one of the 16."""
    product_ids = [shop.add_product(stock=AMPLE_STOCK) for _ in range(MANY_PRODUCTS)]
    hot, *others = product_ids
    half = list(chain.from_iterable(zip(repeat(hot), others, strict=False)))

    def on(name: str, products: Sequence[int]) -> Side:
        load = lambda: _holds(shop, products, clients=FEW, seconds=seconds)  # noqa: E731
        return Side(name, load, frozenset({CREATED}))

    return [
        on("holds on one product", [hot]),
        on(f"holds on {MANY_PRODUCTS} products", product_ids),
        on(f"holds, half of them on one of {MANY_PRODUCTS} products", half),
    ]


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
        load = _holds(shop, [hot], clients=clients, seconds=seconds)
        buyers.join()
        print(
            f"| {clients} | {load.only(CREATED).per_second:,.0f} | {load.only(BUSY).per_second:,.0f} |"
            f" {load.p50_ms:.0f} | {load.p99_ms:.0f} | {paid[0].p50_ms:.0f} | {paid[0].p99_ms:.0f} |",
            flush=True,
        )


def _products(shop: ShopUnderTest, seconds: float) -> None:
    """Print the table by products: 64 clients buy them in turn."""
    print("\n| products | holds a second |\n|---|---|")
    for count in PRODUCTS:
        product_ids = [shop.add_product(stock=AMPLE_STOCK) for _ in range(count)]
        load = _holds(shop, product_ids, clients=FEW, seconds=seconds)
        print(f"| {count} | {load.per_second:,.0f} |", flush=True)


def _holds(shop: ShopUnderTest, product_ids: Sequence[int], *, clients: int, seconds: float) -> wrk.Load:
    """Place holds of one unit on these products in turn."""
    bodies = "\n".join(json.dumps({"product_id": product_id, "quantity": 1}) for product_id in product_ids)
    return wrk.run(f"{shop.url}/api/v1/holds", clients=clients, seconds=seconds, method="POST", body=bodies)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    wrk.find()
    with open_shop() as shop, serving(shop):
        _holds(shop, [shop.add_product(stock=AMPLE_STOCK)], clients=FEW, seconds=2)
        _clients(shop, options.seconds)
        _products(shop, options.seconds)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
