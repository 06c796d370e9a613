"""A crowd buys while hosts fail: what was seen of it, and which promises were broken."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from django.db import connection

from catalog.tests.factories import ProductFactory
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, let_hold_pass
from flashsale.tests.chaos.history import BUSY, DONE, UNKNOWN, Answer, broken_promises
from flashsale.tests.chaos.shoppers import Crowd
from flashsale.tests.hosts.addresses import database_url
from flashsale.tests.hosts.machines import Shop
from flashsale.tests.hosts.network import Host
from flashsale.tests.hosts.postgresql import PROBED
from flashsale.tests.hosts.probes import Probe, create_table
from flashsale.tests.support.processes import wait_until
from payments.models import WebhookEvent

SHOPPERS = 8
PACE_SECONDS = 0.2


@dataclass
class Scene:
    """A shop with its crowd and a probe of its database."""

    shop: Shop
    crowd: Crowd
    probe: Probe
    began: float = field(default_factory=time.monotonic)
    seen: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _probes: list[Probe] = field(default_factory=list)

    def sales(self, *, since: float = 0.0, host: str = "") -> list[float]:
        """When holds were granted, in seconds of the monotonic clock: by one web host, or by any."""
        found = [answer for answer in list(self.crowd.history.answers) if _is_sale(answer)]
        return sorted(one.at for one in found if one.at >= since and host in ("", one.host))

    def no_sale_seconds(self) -> float:
        """The longest time without a sale since the fault began."""
        before = [at for at in self.sales() if at < self.began]
        times = [*before[-1:], *self.sales(since=self.began)]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def failed(self) -> int:
        """How many requests had no definite answer since the fault began; shoppers repeated them."""
        answers = [one for one in self.crowd.history.answers if one.at >= self.began]
        return sum(one.outcome in (BUSY, UNKNOWN) for one in answers)

    def slowest_seconds(self) -> float:
        """How long the slowest request took that was answered since the fault began."""
        return max((one.seconds for one in self.crowd.history.answers if one.at >= self.began), default=0.0)

    def wait_for_sales(self, *hosts: Host, since: float) -> dict[str, float]:
        """Wait until each of these web hosts has sold; returns how many seconds after `since`."""
        wait_until(
            lambda: self.shop.failed() or all(self.sales(since=since, host=host.name) for host in hosts),
            what=f"{', '.join(host.name for host in hosts)} sell",
        )
        assert not self.shop.failed(), self.shop.failed()
        return {host.name: self.sales(since=since, host=host.name)[0] - since for host in hosts}

    def wait_for_workers(self) -> float:
        """Wait until the workers have expired a hold that is overdue from now on; returns the seconds since the fault.

        It needs a beat that sends the task, a broker, and a worker.
        """
        connection.close()
        overdue = HoldFactory()
        let_hold_pass(overdue)
        wait_until(
            lambda: self.shop.failed() or Hold.objects.filter(pk=overdue.pk, status="expired").exists(),
            what="the workers expire a hold",
        )
        assert not self.shop.failed(), self.shop.failed()
        return time.monotonic() - self.began

    @contextlib.contextmanager
    def probing(self, name: str, url: str, host: Host) -> Iterator[Probe]:
        """Write to another address, too, from another host."""
        probe = Probe(f"{name} {self.began}", url, host)
        self._probes.append(probe)
        with probe.writing():
            yield probe

    def promise(self, kept: bool, sentence: str) -> None:
        """Note a promise that was broken, unless it was kept."""
        self.broken += [] if kept else [sentence]

    def lost(self, url: str) -> list[str]:
        """The acknowledged writes of all probes that are lost."""
        return [sentence for probe in (self.probe, *self._probes) for sentence in probe.lost(url)]


def _is_sale(answer: Answer) -> bool:
    return answer.kind == "hold" and answer.outcome == DONE


def play(shop: Shop, fault: Callable[[Scene], None], *, calm: Callable[[], None]) -> Scene:
    """Let a crowd buy before, during and after a fault; returns when everything is settled and compared."""
    connection.close()
    probed = database_url(shop.balancer.address, database=PROBED)
    create_table(probed)
    products = [ProductFactory(stock=100_000), ProductFactory(stock=100_000, max_per_customer=3)]
    crowd = Crowd(
        shop.url, products,
        shoppers=SHOPPERS, arrive=shop.load.entered, webhook_key=shop.webhook_key, pace_seconds=PACE_SECONDS,
    )  # fmt: skip
    with crowd, Probe(f"{fault.__name__} {time.monotonic()}", probed, shop.load).writing() as probe:
        calm()
        scene = Scene(shop, crowd, probe)
        wait_until(lambda: scene.sales() and probe.written, what="the crowd buys")
        scene.began = time.monotonic()
        fault(scene)
        calm()
    wait_until(lambda: shop.failed() or _all_events_are_settled(), what="the workers have finished the events")
    scene.broken += [*shop.failed(), *crowd.broken, *broken_promises(crowd.history, products), *scene.lost(probed)]
    return scene


def _all_events_are_settled() -> bool:
    """Say whether the workers have settled all events; makes every open event due at once."""
    connection.close()
    left_open = WebhookEvent.objects.filter(status__in=["received", "failed"])
    return not left_open.update(next_attempt_at="2020-01-01T00:00:00Z")
