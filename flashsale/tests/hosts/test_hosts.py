"""Hosts are killed, cut off and switched over during a sale; nothing that was acknowledged is lost.

In `make chaos` (HOSTS_FAULTS=all) every fault happens, and the crowd buys longer. The report is printed, and written to
HOSTS_REPORT where that names a file.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flashsale.tests.hosts import faults, removal
from flashsale.tests.hosts.machines import open_shop
from flashsale.tests.hosts.more_hosts import pace_of
from flashsale.tests.hosts.scene import Scene, play
from flashsale.tests.hosts.tools import require

CALM_SECONDS = float(os.environ.get("CHAOS_SECONDS", "1"))
FAULTS = [
    faults.switchover, faults.web_and_worker_hosts_are_killed, faults.valkey_master_is_killed, faults.primary_is_killed,
]  # fmt: skip
IS_LONG = os.environ.get("HOSTS_FAULTS") == "all"
if IS_LONG:
    FAULTS += [
        faults.primary_is_cut_off, faults.primary_is_cut_from_standby, faults.standby_is_killed,
        faults.standby_is_cut_off,
        faults.etcd_is_away, faults.beat_is_killed,
    ]  # fmt: skip
HEADS = ["fault", "no sale for", "requests", "of these repeated", "promises broken", "seen"]


class Report:
    """A line for each fault."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.notes: list[str] = []

    def add(self, name: str, scene: Scene) -> None:
        requests = len(scene.crowd.history.answers)
        cells = [name, f"{scene.no_sale_seconds():.1f} s", requests, scene.failed(), len(scene.broken)]
        self._lines.append(f"| {' | '.join(map(str, cells))} | {'; '.join(scene.seen)} |")

    def text(self) -> str:
        table = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|", *self._lines]
        return "\n".join([*table, "", *(f"- {note}" for note in self.notes)]) + "\n"


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    """The shop on its hosts."""
    require()
    with django_db_blocker.unblock(), open_shop() as opened:
        yield opened


@pytest.fixture(scope="module")
def report():
    """The table of all faults, printed at the end."""
    written = Report()
    yield written
    print(f"\n{written.text()}")
    if path := os.environ.get("HOSTS_REPORT"):
        Path(path).write_text(written.text())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_shop_keeps_its_promises_when_a_host_fails(shop, report, fault: Callable[[Scene], None]):
    shop.wait_until_whole()

    scene = play(shop, fault, calm=lambda: time.sleep(CALM_SECONDS))

    report.add(fault.__name__.replace("_", " "), scene)
    assert scene.broken == []


@pytest.mark.skipif(not IS_LONG, reason="a measurement: `make chaos` does it")
@pytest.mark.skipif(not removal.GROUPS.exists(), reason="no groups of processes with shares of the processor")
def test_three_web_hosts_sell_more_than_one(shop, report):
    shop.wait_until_whole()

    three, one = (pace_of(shop, shop.web[:number], seconds=CALM_SECONDS) for number in (3, 1))

    report.notes += [str(three), str(one), f"ratio {three.done_per_second / one.done_per_second:.1f}"]
    assert three.done_per_second > one.done_per_second
