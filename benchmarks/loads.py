"""The loads by which two revisions are compared: requests to the public API, which every revision answers."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import wrk
from benchmarks.paid_flows import flows
from benchmarks.shop import ShopUnderTest
from benchmarks.wrk import Load

CLIENTS = 64
AMPLE_STOCK = 2_000_000_000


@dataclass(frozen=True)
class Scenario:
    """One row of the comparison: `run(shop, product_id, seconds)` is a round, on a product with `stock` units.

    A status that is not `expected` fails the run: a 429, any 5xx, and `busy` (503) in particular.
    """

    title: str
    expected: frozenset[int]
    run: Callable[[ShopUnderTest, int, float], Load]
    stock: int = AMPLE_STOCK


def post(shop: ShopUnderTest, path: str, product_id: int, seconds: float, *, keyed: bool = False) -> Load:
    """Place holds of one unit; `keyed` gives each request its own Idempotency-Key."""
    body = json.dumps({"product_id": product_id, "quantity": 1})
    return wrk.run(shop.url + path, clients=CLIENTS, seconds=seconds, method="POST", body=body, keyed=keyed)


def get(url: str, path: str, seconds: float) -> Load:
    """GET one path repeatedly."""
    return wrk.run(url + path, clients=CLIENTS, seconds=seconds)


def path_of(product_id: int) -> str:
    """Return the path of a product."""
    return f"/api/v1/products/{product_id}"


def product_page(shop: ShopUnderTest, product_id: int) -> str:
    """Return the answer to a request for a product."""
    with urllib.request.urlopen(shop.url + path_of(product_id), timeout=30) as answer:
        return answer.read().decode()


def pay(shop: ShopUnderTest, paths: flows.Paths, product_id: int, seconds: float) -> Load:
    """Buy and pay for one unit after the other."""
    return flows.run(shop.port, paths, product_id=product_id, key=shop.key, clients=CLIENTS, seconds=seconds)


def _holds(shop: ShopUnderTest, product_id: int, seconds: float) -> Load:
    return post(shop, flows.SHOP.holds, product_id, seconds)


def _keyed_holds(shop: ShopUnderTest, product_id: int, seconds: float) -> Load:
    return post(shop, flows.SHOP.holds, product_id, seconds, keyed=True)


def _reads(shop: ShopUnderTest, product_id: int, seconds: float) -> Load:
    return get(shop.url, path_of(product_id), seconds)


def _paid_flows(shop: ShopUnderTest, product_id: int, seconds: float) -> Load:
    return pay(shop, flows.SHOP, product_id, seconds)


# By their names on the command line.
SCENARIOS = {
    "holds": Scenario("accepted holds, one hot product", frozenset({201}), _holds),
    "refusals": Scenario("sold-out refusals", frozenset({409}), _holds, stock=0),
    "keyed": Scenario("sold-out refusals with an Idempotency-Key", frozenset({409}), _keyed_holds, stock=0),
    "products": Scenario("product reads", frozenset({200}), _reads, stock=1000),
    "flows": Scenario("whole paid flows (hold, order, signed webhook)", frozenset({200, 201}), _paid_flows),
}
