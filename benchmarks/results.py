"""Measures two sides in alternating rounds, and renders the results as a table."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from benchmarks.wrk import Load

# When a round ends, its last requests may still run: they must not slow the other side's round.
PAUSE_SECONDS = 1


@dataclass(frozen=True)
class Side:
    """One of two systems that are compared: its name, a function that runs one round, the statuses it may answer."""

    name: str
    round: Callable[[], Load]
    expected: frozenset[int] = frozenset({200})


@dataclass(frozen=True)
class Row:
    """A promise: `ours` reaches at least `promised` times what `theirs` does."""

    promised: float
    ours: Side
    theirs: Side
    warms_up: bool = True


@dataclass(frozen=True)
class Result:
    """The rounds of both sides, in the order in which they were measured."""

    row: Row
    our_rounds: Sequence[Load]
    their_rounds: Sequence[Load]

    @property
    def ours(self) -> Load:
        return median(self.our_rounds)

    @property
    def theirs(self) -> Load:
        return median(self.their_rounds)

    @property
    def ratio(self) -> float:
        """The ratio of the medians."""
        return self.ours.per_second / self.theirs.per_second

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept."""
        return self.ratio >= self.row.promised

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest ratio of one round."""
        pairs = zip(self.our_rounds, self.their_rounds, strict=True)
        ratios = [ours.per_second / theirs.per_second for ours, theirs in pairs]
        return min(ratios), max(ratios)


def measure(rows: Sequence[Row], *, rounds: int) -> list[Result]:
    """Measure the sides of these rows in alternating order; a side that several rows have is measured once.

    Ends the program when a side answers a status that is not among its `expected` ones, or loses a request.
    """
    loads: dict[Side, list[Load]] = {side: [] for row in rows for side in (row.ours, row.theirs)}
    if all(row.warms_up for row in rows):
        for side in loads:
            _round(side)
    for number in range(rounds):
        for side in loads if number % 2 == 0 else reversed(loads):
            time.sleep(PAUSE_SECONDS)
            load = _round(side)
            loads[side].append(load)
            print(
                f"  {side.name}: {load.per_second:.0f}/s, p50 {load.p50_ms:.1f} ms, p99 {load.p99_ms:.1f} ms",
                flush=True,
            )
    return [Result(row, loads[row.ours], loads[row.theirs]) for row in rows]


def _round(side: Side) -> Load:
    load = side.round()
    if set(load.statuses) - side.expected or load.lost:
        sys.exit(f"{side.name}: unexpected answers {load.statuses}, {load.lost} lost")
    return load


def median(loads: Sequence[Load]) -> Load:
    """Return the median of each figure over the rounds."""
    return replace(
        loads[0],
        per_second=statistics.median(load.per_second for load in loads),
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
    )


def table(results: Iterable[Result]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| what | a second | p50 ms | p99 ms | compared with | a second | p50 ms | p99 ms | ratio | of single rounds |"
        " promised |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        row, (least, most) = result.row, result.range
        cells = [row.ours.name, *_cells(result.ours), row.theirs.name, *_cells(result.theirs)]
        cells += [f"{result.ratio:.2f}", f"{least:.2f} to {most:.2f}"]
        cells += [f"{row.promised:.2f}" if result.is_kept else f"{row.promised:.2f} (missed)"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(load: Load) -> list[str]:
    p99 = "-" if load.p99_ms != load.p99_ms else f"{load.p99_ms:.1f}"
    return [f"{load.per_second:,.0f}", f"{load.p50_ms:.1f}", p99]


def machine() -> str:
    """Return the number of cores and the versions of what was measured."""
    names = ("django", "djangorestframework", "granian", "psycopg")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {versions}"
