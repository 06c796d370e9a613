"""What two sides reached, turn by turn, and the table that says so."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version

from benchmarks.wrk import Load

# A round ends in the middle of its last requests; the other side must not pay for them.
SETTLE_SECONDS = 1


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: a name, what one round of it is, and the answers that belong to it."""

    name: str
    round: Callable[[], Load]
    expected: frozenset[int] = frozenset({200})


@dataclass(frozen=True)
class Row:
    """A promise: `ours` reaches at least `promised` times what `theirs` does."""

    name: str
    promised: float
    ours: Side
    theirs: Side
    warms_up: bool = True


@dataclass(frozen=True)
class Result:
    """The medians of both sides, as rates and latencies, and how many answers did not belong."""

    row: Row
    ours: Load
    theirs: Load

    @property
    def ratio(self) -> float:
        return self.ours.per_second / self.theirs.per_second


def measure(row: Row, *, rounds: int) -> Result:
    """Measure both sides turn by turn; raises `SystemExit` when an answer does not belong."""
    loads: dict[str, list[Load]] = {"ours": [], "theirs": []}
    if row.warms_up:
        row.ours.round(), row.theirs.round()
    for _ in range(rounds):
        for side, measured in ((row.ours, loads["ours"]), (row.theirs, loads["theirs"])):
            time.sleep(SETTLE_SECONDS)
            load = side.round()
            if set(load.statuses) - side.expected or load.lost:
                sys.exit(f"{side.name}: unexpected answers {load.statuses}, {load.lost} lost")
            measured.append(load)
            print(
                f"  {side.name}: {load.per_second:.0f}/s, p50 {load.p50_ms:.1f} ms, p99 {load.p99_ms:.1f} ms",
                flush=True,
            )
    return Result(row, _median(loads["ours"]), _median(loads["theirs"]))


def _median(loads: list[Load]) -> Load:
    middle = replace(
        loads[0],
        per_second=statistics.median(load.per_second for load in loads),
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
    )
    return middle


def table(results: Iterable[Result]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| what | a second | p50 ms | p99 ms | compared with | a second | p50 ms | p99 ms | ratio | promised |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for found in results:
        cells = [found.row.ours.name, *_cells(found.ours), found.row.theirs.name, *_cells(found.theirs)]
        mark = "" if found.ratio >= found.row.promised else " (missed)"
        lines.append(f"| {' | '.join(cells)} | {found.ratio:.2f} | {found.row.promised:.2f}{mark} |")
    return "\n".join(lines)


def _cells(load: Load) -> list[str]:
    return [
        f"{load.per_second:,.0f}",
        f"{load.p50_ms:.1f}",
        "-" if load.p99_ms != load.p99_ms else f"{load.p99_ms:.1f}",
    ]


def machine() -> str:
    """Return what it was measured on."""
    names = ("django", "djangorestframework", "granian", "psycopg")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {versions}"
