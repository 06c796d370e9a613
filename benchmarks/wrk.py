"""Runs `wrk`, a load generator that needs little processor time itself, and parses what it measured."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk") / "requests.lua"
SPARE_SECONDS = 30


@dataclass(frozen=True)
class Load:
    """What one run measured: answers a second, latencies in milliseconds, answers by status, requests lost."""

    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]
    lost: int

    def only(self, status: int) -> "Load":
        """Return the same with the answers of one status a second."""
        share = self.statuses.get(status, 0) / max(1, sum(self.statuses.values()))
        return replace(self, per_second=self.per_second * share)


def find() -> str:
    """Return the path of wrk, or end the program with a message that says how to install it."""
    path = shutil.which("wrk")
    if path is None:
        sys.exit("The benchmark needs wrk to make the load: apt install wrk (Debian), or build it from its source.")
    return path


def run(
    url: str,
    *,
    clients: int,
    seconds: float,
    method: str = "GET",
    body: str = "",
    keyed: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """Repeat one request over `clients` connections for `seconds`; each connection waits for its answer.

    Several bodies, one a line, are sent in turn.
    """
    argv = [find(), "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(SCRIPT)]
    argv += [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    argv += [url, "--", method]
    argv += [body, "keyed"] if keyed else [body]
    completed = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + SPARE_SECONDS)
    figures = json.loads(re.search(r"^RESULT (.*)$", completed.stdout, re.MULTILINE)[1])
    statuses = {int(status): count for status, count in figures["statuses"].items()}
    return Load(
        per_second=sum(statuses.values()) / figures["seconds"],
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        statuses=statuses,
        lost=figures["lost"],
    )
