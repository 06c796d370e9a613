"""Valkey fails over under a shop that finds it through sentinels: web server, worker and beat go on."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import httpx
import pytest

from catalog.tests.factories import ProductFactory
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, let_hold_pass
from flashsale.observability import heartbeat
from flashsale.tests.chaos.shop import ProxiedShop, open_shop
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.schedule import fill_schedule
from flashsale.tests.support.sentinels import WatchedValkey, watched_valkey

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
UNITS = 100_000


@pytest.fixture
def valkey(tmp_path) -> Iterator[WatchedValkey]:
    with watched_valkey(tmp_path) as valkey:
        yield valkey


class Shoppers:
    """A thread that reads a product and places holds, one after another, and notes answers that are not right."""

    def __init__(self, url: str, product_id: int) -> None:
        self._url, self._product_id = url, product_id
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._shop, daemon=True)
        self.placed = 0
        self.wrong: list[object] = []

    def __enter__(self) -> "Shoppers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(WAIT_SECONDS)

    def _shop(self) -> None:
        with httpx.Client(base_url=f"{self._url}/api/v1", timeout=WAIT_SECONDS, trust_env=False) as client:
            while not self._is_over.is_set():
                placed = client.post("/holds", json={"product_id": self._product_id, "quantity": 1})
                self.placed += placed.status_code == 201
                product = client.get(f"/products/{self._product_id}")
                stock = product.json().get("available_stock")
                # All holds are of this client; a cached answer is a second old at most.
                if placed.status_code != 201 or product.status_code != 200 or not 0 <= UNITS - stock <= self.placed:
                    self.wrong.append((placed.status_code, product.status_code, stock, self.placed))


def works(shop: ProxiedShop, valkey: WatchedValkey) -> None:
    """Wait until beat and worker expire a hold, and the master has the worker's heartbeat and an answer of the web."""
    overdue = HoldFactory()
    let_hold_pass(overdue)
    with contextlib.closing(valkey.client(valkey.master())) as master:
        master.delete(heartbeat._key("expiry"), *master.keys("flashsale:product:*"))
        for is_done, what in (
            (lambda: Hold.objects.filter(pk=overdue.pk, status="expired").exists(), "tasks run"),
            (lambda: master.get(heartbeat._key("expiry")), "the worker sends heartbeats"),
            (lambda: master.keys("flashsale:product:*"), "the web server stores answers"),
        ):
            wait_until(lambda is_done=is_done: shop.ended() or is_done(), what=what)
    assert shop.ended() == []


def master_is_switched(shop: ProxiedShop, valkey: WatchedValkey) -> None:
    """The former master is a replica then, and refuses writes."""
    valkey.switch_over()
    works(shop, valkey)


def master_freezes(shop: ProxiedShop, valkey: WatchedValkey) -> None:
    """Its connections stay open and silent, as those to a host that lost its network. It comes back as a replica."""
    before = valkey.master()
    valkey.signal(before, signal.SIGSTOP)
    valkey.wait_for_another_master(before)
    works(shop, valkey)
    valkey.signal(before, signal.SIGCONT)
    wait_until(lambda: valkey.is_replica(before), what="the former master is a replica")
    works(shop, valkey)


def sentinels_are_away(shop: ProxiedShop, valkey: WatchedValkey) -> None:
    """Connections to the master end meanwhile, so that it has to be looked for."""
    logged = len(shop.log())
    for port in valkey.sentinels:
        valkey.kill(port)
    for port in valkey.servers:
        with contextlib.closing(valkey.client(port)) as server:
            server.client_kill_filter(_type="normal", skipme=True)
            server.client_kill_filter(_type="pubsub")
    wait_until(lambda: "Trying again in" in shop.log()[logged:], what="the worker looks for the master")
    for port in valkey.sentinels:
        valkey.restart_sentinel(port)
    works(shop, valkey)


def master_is_killed(shop: ProxiedShop, valkey: WatchedValkey) -> None:
    """It never comes back."""
    before = valkey.master()
    valkey.kill(before)
    valkey.wait_for_another_master(before)
    works(shop, valkey)


def test_web_server_worker_and_beat_follow_the_master(tmp_path, valkey):
    product = ProductFactory(stock=UNITS)
    environment = {"REDIS_URL": valkey.url(0), "CELERY_BROKER_URL": valkey.url(1)}
    with open_shop(tmp_path, "web", "worker", "beat", workers=1, **environment) as shop:
        fill_schedule()
        with Shoppers(shop.url, product.pk) as shoppers:
            works(shop, valkey)
            for fault in (master_is_switched, master_freezes, sentinels_are_away, master_is_killed):
                fault(shop, valkey)
        measured = httpx.get(f"{shop.url}/metrics", timeout=WAIT_SECONDS, trust_env=False).text

    assert shoppers.wrong == []
    assert {"flashsale_redis_up 1.0", 'flashsale_worker_silent{queue="expiry"} 0.0'} <= set(measured.splitlines())
    assert Hold.objects.filter(product=product).count() == shoppers.placed
