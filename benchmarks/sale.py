"""`make bench`: every promise about speed, as a ratio of two sides that are measured in alternating rounds.

Without options it measures this revision's promises: against revision `aadbd26` (its public API, its ordinary views, a
bare view), which runs at the same time from a checkout of its own; against nginx, PostgreSQL and itself; and the
processor time of a request (`benchmarks.costs`). `--against REVISION` compares the public APIs of two revisions
instead. Rows can be chosen by name. After each row the audit runs on both sides. An unexpected answer (a 429, a 5xx, in
particular `busy` with 64 clients) ends the run with exit code 1, as does a promise that is missed.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchmarks import checkouts, costs, edge, wrk
from benchmarks.loads import SCENARIOS
from benchmarks.promises import NAMES, Promises, side
from benchmarks.results import Result, Row, machine, measure, table
from benchmarks.shop import open_shop, serving

ROUNDS = 5
# Two measurements of the same revision differ by less than this.
NO_SLOWER = 0.9
COSTS = "costs"
ROWS = (*NAMES, COSTS)
BEHIND_NGINX = {"nginx", "queue", "joins"}


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
            results += _measure(name, [Row(NO_SLOWER, our_side, their_side)], rounds=rounds)
            for shop in (ours, theirs):
                shop.manage("audit_stock")
    return results


def check_promises(names: Iterable[str], *, seconds: float, rounds: int) -> list[Result]:
    """Measure the promises of this revision."""
    results = []
    with contextlib.ExitStack() as stack:
        shop = stack.enter_context(open_shop())
        shop.set_up_django()
        stack.enter_context(serving(shop))
        promises = Promises(shop, stack, seconds=seconds, rounds=rounds)
        for name in names:
            results += _measure(name, promises.rows(name), rounds=rounds)
            promises.audit()
    return results


def _measure(name: str, rows: Sequence[Row], *, rounds: int) -> list[Result]:
    print(name, flush=True)
    results = measure(rows, rounds=rounds)
    print(table(results), flush=True)
    return results


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options; ends the program with a message when they are not valid."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; with --against of {', '.join(SCENARIOS)}")
    parser.add_argument("--against", metavar="REVISION", help="a commit, branch or tag to measure beside this one")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each side")
    parser.add_argument("--seconds", type=float, default=5, help="how long a round lasts")
    options = parser.parse_args(arguments)
    names = tuple(SCENARIOS) if options.against is not None else ROWS
    if unknown := [name for name in options.rows if name not in names]:
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(names)}")
    options.rows = options.rows or list(names)
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    return options


def main() -> None:
    """Measure, and print the tables; exit 1 when a promise is missed."""
    options = parse()
    wrk.find()
    tables = []
    if options.against is not None:
        results = compare(options.against, options.rows, seconds=options.seconds, rounds=options.rounds)
    else:
        if BEHIND_NGINX & set(options.rows):
            edge.find()
        names = [name for name in options.rows if name != COSTS]
        results = check_promises(names, seconds=options.seconds, rounds=options.rounds) if names else []
    are_kept = [result.is_kept for result in results]
    if results:
        tables.append(table(results))
    if COSTS in options.rows:
        print(COSTS, flush=True)
        costs_table, costs_are_kept = costs.measure_in_a_process()
        are_kept.append(costs_are_kept)
        tables.append(costs_table)
    print(f"\n{machine()}; {options.rounds} rounds of {options.seconds:g} s")
    print("", *tables, sep="\n\n")
    sys.exit(not all(are_kept))


if __name__ == "__main__":
    main()
