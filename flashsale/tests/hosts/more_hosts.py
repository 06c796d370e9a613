"""How much more three web hosts sell than one.

All hosts share the machine's cores, which three busy web hosts would use up. So each has a share of a core, so small
that PostgreSQL, HAProxy and the crowd have room: as on real hosts, its processor is what limits it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.tests.factories import ProductFactory
from flashsale.tests.chaos.history import DONE
from flashsale.tests.chaos.shoppers import Crowd
from flashsale.tests.hosts.machines import Shop
from flashsale.tests.hosts.network import Host
from flashsale.tests.support.processes import wait_until

CORES_OF_WEB_HOST = 0.1
SHOPPERS = 16


@dataclass(frozen=True)
class Pace:
    """What some web hosts did: answers that granted something, a second, and how often their processor was used up."""

    hosts: int
    done_per_second: float
    throttled: float

    def __str__(self) -> str:
        used_up = f"their processors used up in {self.throttled:.0%} of all periods"
        return f"{self.hosts} web hosts: {self.done_per_second:.0f} holds, orders and payments a second, {used_up}"


def pace_of(shop: Shop, hosts: Sequence[Host], *, seconds: float) -> Pace:
    """Let a crowd buy from these web hosts only; the others are killed, and stay so."""
    for host in shop.web:
        if host not in hosts:
            host.kill()
    groups = [host.limit(CORES_OF_WEB_HOST) for host in hosts]
    products = [ProductFactory(stock=1_000_000) for _ in range(8)]
    crowd = Crowd(shop.url, products, shoppers=SHOPPERS, arrive=shop.load.entered, webhook_key=shop.webhook_key)
    with crowd:
        wait_until(lambda: crowd.broken or len(crowd.history.answers) > SHOPPERS, what="the crowd buys")
        began, before = time.monotonic(), _periods(groups)
        time.sleep(seconds)
        ended, after = time.monotonic(), _periods(groups)
    assert crowd.broken == []
    done = [one for one in crowd.history.answers if one.outcome == DONE and began <= one.at < ended]
    periods, throttled = (late - early for early, late in zip(before, after, strict=True))
    return Pace(len(hosts), len(done) / (ended - began), throttled / periods)


def _periods(groups: Sequence[Path]) -> tuple[int, int]:
    """Return in how many periods the groups had something to do, and in how many of these their share was used up."""
    stats = [dict(line.split() for line in (group / "cpu.stat").read_text().splitlines()) for group in groups]
    return sum(int(one["nr_periods"]) for one in stats), sum(int(one["nr_throttled"]) for one in stats)
