"""`make bench`: every promise about speed, as a ratio of two sides that are measured in alternating rounds.

Without options this revision is compared with the ordinary views (one transaction for each request) and bare views of
revision `BASELINE`, in a checkout of its own, so that the reference never changes. `--against REVISION` compares the
public APIs of the two revisions. Rows can be chosen by name. After each row the audit runs on both sides. An unexpected
answer (a 429, a 5xx, `busy`) ends the run with exit code 1, as does a promise that is missed.
"""

import argparse
import contextlib
import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

from benchmarks import checkouts, flows, loads, stored_rows, wrk
from benchmarks.loads import AMPLE_STOCK, SCENARIOS
from benchmarks.results import Result, Row, Side, machine, measure, table
from benchmarks.shop import ShopUnderTest, open_shop, serving
from benchmarks.wrk import Load

BASELINE = "aadbd26"
ROUNDS, ROUNDS_AGAINST = 3, 5
# Two measurements of the same revision differ by less than this.
NO_SLOWER = 0.9
ROWS = ("holds", "refusals", "products", "flows", "old", "expiry")


class Bench:
    """The rows that compare this revision with the ordinary and bare views of `BASELINE`, run when first needed."""

    def __init__(self, shop: ShopUnderTest, stack: contextlib.ExitStack, *, seconds: float, rounds: int) -> None:
        self._shop = shop
        self._stack = stack
        self._seconds = seconds
        self._rounds = rounds

    def rows(self, name: str) -> list[Row]:
        """Prepare and return the rows of this name."""
        builders: dict[str, Callable[[], list[Row]]] = {
            "holds": self._holds, "refusals": self._refusals, "products": self._products, "flows": self._flows,
            "old": self._old, "expiry": self._expiry,
        }  # fmt: skip
        return builders[name]()

    def audit(self) -> None:
        """End the program when the counters of a shop disagree with its holds and orders."""
        self._shop.manage("audit_stock")
        if "_baseline" in self.__dict__:
            self._baseline.manage("audit_stock")

    @functools.cached_property
    def _baseline(self) -> ShopUnderTest:
        """The running shop of `BASELINE`; the views that this revision is compared with are below `/bench`."""
        checkout = self._stack.enter_context(checkouts.checked_out(checkouts.find_commit(BASELINE)))
        shop = self._stack.enter_context(open_shop(checkout, settings="benchmarks.settings"))
        self._stack.enter_context(serving(shop))
        return shop

    def _post_to_baseline(self, path: str, *, stock: int = AMPLE_STOCK, keyed: bool = False) -> Callable[[], Load]:
        product_id = self._baseline.add_product(stock=stock)
        return lambda: loads.post(self._baseline, path, product_id, self._seconds, keyed=keyed)

    def _holds(self) -> list[Row]:
        ours = side(self._shop, "holds", self._seconds)
        ordinary = Side("the ordinary view", self._post_to_baseline(flows.ORDINARY.holds), frozenset({201}))
        product_id = self._shop.add_product(stock=AMPLE_STOCK)
        bare = Side(
            "pgbench, one bare transaction each",
            lambda: stored_rows.pgbench(self._shop, product_id, self._seconds),
        )
        return [Row("holds", 10, ours, ordinary), Row("holds", 1.5, ours, bare)]

    def _refusals(self) -> list[Row]:
        bare, bare_keyed = (
            Side(
                "bare view with a serializer", self._post_to_baseline("/bench/constant", keyed=keyed), frozenset({409})
            )
            for keyed in (False, True)
        )
        return [
            Row("refusals", 1, side(self._shop, "refusals", self._seconds), bare),
            Row("refusals with a key", 0.5, side(self._shop, "keyed", self._seconds), bare_keyed),
        ]

    def _products(self) -> list[Row]:
        bare = Side("bare view", lambda: loads.get(self._baseline, "/bench/constant", self._seconds))
        return [Row("product reads", 0.8, side(self._shop, "products", self._seconds), bare)]

    def _flows(self) -> list[Row]:
        product_id = self._baseline.add_product(stock=AMPLE_STOCK)
        ordinary = Side(
            "the ordinary way",
            lambda: loads.pay(self._baseline, flows.ORDINARY, product_id, self._seconds),
            SCENARIOS["flows"].expected,
        )
        return [Row("whole paid flows", 2, side(self._shop, "flows", self._seconds), ordinary)]

    def _old(self) -> list[Row]:
        """Its sides do not alternate: the rounds without old rows are measured before those are inserted."""
        few = side(self._shop, "holds", self._seconds)
        before = iter([few.round() for _ in range(self._rounds)])
        many = side(self._shop, "holds", self._seconds)
        stored_rows.fill_old(self._shop.add_product(stock=AMPLE_STOCK))
        return [
            Row(
                "holds beside old ones",
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
        return [Row("expiry", 1 / 3, expiring, bare, warms_up=False)]


def side(shop: ShopUnderTest, name: str, seconds: float) -> Side:
    """Return a side that runs a scenario on a new product of the shop."""
    scenario = SCENARIOS[name]
    product_id = shop.add_product(stock=scenario.stock)
    return Side(scenario.title, lambda: scenario.run(shop, product_id, seconds), scenario.expected)


def compare(revision: str, names: Iterable[str], *, seconds: float, rounds: int) -> list[Result]:
    """Measure this revision beside another one; both run at the same time, each with its own database."""
    commit = checkouts.find_commit(revision)
    results = []
    with (
        checkouts.checked_out(commit) as checkout,
        open_shop() as ours,
        open_shop(checkout) as theirs,
        serving(ours),
        serving(theirs),
    ):
        for name in names:
            our_side, their_side = side(ours, name, seconds), side(theirs, name, seconds)
            their_side = replace(their_side, name=commit)
            results.append(_measure(Row(name, NO_SLOWER, our_side, their_side), rounds=rounds))
            for shop in (ours, theirs):
                shop.manage("audit_stock")
    return results


def check_promises(names: Iterable[str], *, seconds: float, rounds: int) -> list[Result]:
    """Measure this revision beside the ordinary and bare views of `BASELINE`."""
    results = []
    with contextlib.ExitStack() as stack:
        shop = stack.enter_context(open_shop())
        shop.set_up_django()
        stack.enter_context(serving(shop))
        bench = Bench(shop, stack, seconds=seconds, rounds=rounds)
        for name in names:
            results += [_measure(row, rounds=rounds) for row in bench.rows(name)]
            bench.audit()
    return results


def _measure(row: Row, *, rounds: int) -> Result:
    print(row.name, flush=True)
    result = measure(row, rounds=rounds)
    print(table([result]), flush=True)
    return result


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options; ends the program with a message when they are not valid."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; with --against of {', '.join(SCENARIOS)}")
    parser.add_argument("--against", metavar="REVISION", help="a commit, branch or tag to measure beside this one")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS}, with --against {ROUNDS_AGAINST}")
    parser.add_argument("--seconds", type=float, default=5, help="how long a round lasts")
    options = parser.parse_args(arguments)
    names = tuple(SCENARIOS) if options.against is not None else ROWS
    if unknown := [name for name in options.rows if name not in names]:
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(names)}")
    options.rows = options.rows or list(names)
    if options.rounds is None:
        options.rounds = ROUNDS if options.against is None else ROUNDS_AGAINST
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    return options


def main() -> None:
    """Measure, and print the table; exit 1 when a promise is missed."""
    options = parse()
    wrk.find()
    if options.against is None:
        results = check_promises(options.rows, seconds=options.seconds, rounds=options.rounds)
    else:
        results = compare(options.against, options.rows, seconds=options.seconds, rounds=options.rounds)
    print(f"\n{machine()}; {options.rounds} rounds of {options.seconds:g} s\n\n{table(results)}")
    sys.exit(not all(result.is_kept for result in results))


if __name__ == "__main__":
    main()
