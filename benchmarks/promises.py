"""The promises about speed, by the names of their rows: which sides are measured, and what ratio they must reach."""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import replace

from benchmarks import baseline, edge, growth, loads, stored_rows
from benchmarks.baseline import Baseline
from benchmarks.loads import AMPLE_STOCK, SCENARIOS
from benchmarks.paid_flows import events, flows
from benchmarks.paid_flows.own_payments import OwnPayments
from benchmarks.results import Row, Side
from benchmarks.shop import ShopUnderTest
from benchmarks.waiting_room import rows as waiting_room

NAMES = (
    "holds", "refusals", "keyed", "products", "flows", "payments", "events", "nginx", "queue", "joins", "clients",
    "hot", "old", "expiry",
)  # fmt: skip


class Promises:
    """The rows of this revision's shop. What a row needs besides is started when it is first prepared."""

    def __init__(self, shop: ShopUnderTest, stack: contextlib.ExitStack, *, seconds: float, rounds: int) -> None:
        """Measure `shop` in rounds of `seconds`; `stack` ends what is started."""
        self._shop = shop
        self._stack = stack
        self._seconds = seconds
        self._rounds = rounds

    def rows(self, name: str) -> list[Row]:
        """Prepare the rows of a name of `NAMES`, which are measured together."""
        builders: dict[str, Callable[[], list[Row]]] = {
            "holds": self._holds, "refusals": self._refusals, "keyed": self._keyed, "products": self._products,
            "flows": self._flows, "payments": self._payments, "events": self._events, "nginx": self._nginx,
            "queue": self._queue, "joins": self._joins, "clients": self._clients, "hot": self._hot, "old": self._old,
            "expiry": self._expiry,
        }  # fmt: skip
        return builders[name]()

    def audit(self) -> None:
        """End the program when the counters of a shop disagree with its holds and orders."""
        self._shop.manage("audit_stock")
        if "_baseline" in self.__dict__:
            self._baseline.audit()

    @functools.cached_property
    def _baseline(self) -> Baseline:
        return Baseline(self._stack)

    def _against_baseline(self, name: str, promised: float) -> Row:
        """Compare the public APIs of the two revisions."""
        ours, theirs = (side(shop, name, self._seconds) for shop in (self._shop, self._baseline.api))
        return Row(promised, ours, replace(theirs, name=baseline.REVISION))

    def _holds(self) -> list[Row]:
        row = self._against_baseline("holds", 1.6)
        ordinary_shop = self._baseline.ordinary
        ordinary_id = ordinary_shop.add_product(stock=AMPLE_STOCK)
        ordinary = Side(
            "the ordinary view",
            lambda: loads.post(ordinary_shop, flows.ORDINARY.holds, ordinary_id, self._seconds),
            frozenset({201}),
        )
        product_id = self._shop.add_product(stock=AMPLE_STOCK)
        bare = Side(
            "pgbench, one bare transaction each",
            lambda: stored_rows.pgbench(self._shop, product_id, self._seconds),
        )
        return [row, Row(10, row.ours, ordinary), Row(2.5, row.ours, bare)]

    def _refusals(self) -> list[Row]:
        return [self._against_baseline("refusals", 2)]

    def _keyed(self) -> list[Row]:
        return [self._against_baseline("keyed", 1.6)]

    def _products(self) -> list[Row]:
        row = self._against_baseline("products", 2)
        page = loads.product_page(self._shop, self._shop.add_product(stock=1000))
        shop = self._baseline.bare(page)
        bare = Side("bare view, no middleware", lambda: loads.get(shop.url, "/bench/constant", self._seconds))
        return [row, Row(0.5, row.ours, bare)]

    def _flows(self) -> list[Row]:
        row = self._against_baseline("flows", 1.6)
        shop = self._baseline.ordinary
        product_id = shop.add_product(stock=AMPLE_STOCK)
        ordinary = Side(
            "the ordinary way",
            lambda: loads.pay(shop, flows.ORDINARY, product_id, self._seconds),
            SCENARIOS["flows"].expected,
        )
        return [row, Row(3, row.ours, ordinary)]

    def _payments(self) -> list[Row]:
        return OwnPayments(self._shop, self._stack, seconds=self._seconds).rows(self._baseline)

    def _events(self) -> list[Row]:
        quiet = events.without_events(self._shop, self._stack)
        ours, theirs = side(self._shop, "flows", self._seconds), side(quiet, "flows", self._seconds)
        return [Row(0.85, events.numbered(ours), replace(theirs, name="without events"))]

    def _nginx(self) -> list[Row]:
        product_id = self._shop.add_product(stock=1000)
        page = loads.product_page(self._shop, product_id)
        running = self._stack.enter_context(edge.in_front_of(self._shop, file=page.encode()))
        path = loads.path_of(product_id)
        cached = Side("product page through nginx", lambda: loads.get(running.url, path, self._seconds))
        static = Side("static file of that size", lambda: loads.get(running.static_url, "", self._seconds))
        return [Row(0.5, cached, static)]

    def _queue(self) -> list[Row]:
        return waiting_room.of_the_page(self._shop, self._stack, seconds=self._seconds)

    def _joins(self) -> list[Row]:
        return waiting_room.of_joins(self._shop, self._stack, seconds=self._seconds)

    def _clients(self) -> list[Row]:
        few, *more = growth.sides_by_clients(self._shop, self._seconds)
        return [Row(0.8, side, few) for side in more]

    def _hot(self) -> list[Row]:
        one, *several = growth.sides_by_products(self._shop, self._seconds)
        return [Row(0.6, side, one) for side in several]

    def _old(self) -> list[Row]:
        """Its sides do not alternate: the rounds without old rows are measured before those are inserted."""
        few = side(self._shop, "holds", self._seconds)
        few.round()
        before = iter([few.round() for _ in range(self._rounds)])
        many = side(self._shop, "holds", self._seconds)
        stored_rows.fill_old(self._shop.add_product(stock=AMPLE_STOCK))
        return [
            Row(
                0.9,
                Side("holds beside 1,000,000 old ones", many.round, many.expected),
                Side("with none", lambda: next(before), few.expected),
                warms_up=False,
            )
        ]

    def _expiry(self) -> list[Row]:
        ours, theirs = (self._shop.add_product(stock=AMPLE_STOCK) for _ in range(2))
        expiring = Side("expiring 100,000 holds", lambda: stored_rows.expire(ours))
        bare = Side("one bare UPDATE", lambda: stored_rows.bare_update(theirs))
        return [Row(0.5, expiring, bare, warms_up=False)]


def side(shop: ShopUnderTest, name: str, seconds: float) -> Side:
    """Return a side that runs a scenario on a new product of the shop."""
    scenario = SCENARIOS[name]
    product_id = shop.add_product(stock=scenario.stock)
    return Side(scenario.title, lambda: scenario.run(shop, product_id, seconds), scenario.expected)
