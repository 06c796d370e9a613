"""Copies of snapshots in two real web processes, one of which reaches Valkey through a proxy that injects faults.

No test measures how fast a process is. What must not be older than a second is compared with the moment of the commit:
a request that is sent more than a second after it has to see it, however slow the machine is.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis
from django.conf import settings

from catalog.tests.factories import ProductFactory
from flashsale.tests.chaos.proxy import LosePushes, Proxy, Refuse, Swallow
from flashsale.tests.chaos.shop import valkey_socket
from flashsale.tests.support.processes import children_of, processes_naming, wait_until
from flashsale.tests.support.web import web_server

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]

MAX_AGE_SECONDS = 1.0
ATTEMPTS = 50


@dataclass
class Process:
    """A web process, as its clients see it."""

    port: int

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}")

    def available(self, product) -> int:
        """Return the available units that it shows."""
        return self._client.get(f"/api/v1/products/{product.pk}").json()["available_stock"]

    def hold(self, product, quantity: int = 1) -> str:
        """Place a hold and return its id, or the code of the refusal."""
        answer = self._client.post("/api/v1/holds", json={"product_id": product.pk, "quantity": quantity}).json()
        return answer.get("hold_id") or answer["code"]

    def release(self, hold_id: str) -> None:
        """Release a hold."""
        assert self._client.delete(f"/api/v1/holds/{hold_id}").status_code == 204

    def reads(self, *results: str) -> float:
        """Return how many reads of snapshots had these results."""
        lines = self._client.get("/metrics", headers={"Authorization": "Bearer a-token"}).text.splitlines()
        names = [f'flashsale_snapshot_reads_total{{result="{result}"}}' for result in results]
        return sum(float(line.split()[1]) for line in lines if line.split()[0] in names)

    def has_copy(self, product) -> bool:
        """Read the product and say whether that was answered from a copy."""
        before = self.reads("local")
        self.available(product)
        return self.reads("local") > before

    def wait_for_copy(self, product) -> None:
        """Return right after an answer from a copy."""
        wait_until(lambda: self.has_copy(product), what="a copy is used")

    def pid(self) -> int:
        """The id of the process that serves requests."""
        [server] = [pid for pid in processes_naming(f"\0{self.port}\0") if children_of(pid)]
        return children_of(server)[-1]


@contextlib.contextmanager
def process(log: Path, **environment: str) -> Iterator[Process]:
    with web_server(log, METRICS_TOKEN="a-token", **environment) as port:
        yield Process(port)


@pytest.fixture
def proxy():
    """A proxy before the tests' Valkey."""
    found = Proxy(valkey_socket())
    yield found
    found.close()


@pytest.fixture
def one(tmp_path):
    """A web process."""
    with process(tmp_path / "one.log") as found:
        yield found


@pytest.fixture
def other(tmp_path, proxy):
    """Another one, which reaches Valkey through the proxy."""
    with process(tmp_path / "other.log", REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0") as found:
        yield found


def wait_a_second_after(moment: float) -> None:
    wait_until(lambda: time.monotonic() > moment + MAX_AGE_SECONDS)


def see_without_asking(one: Process, other: Process, product) -> bool:
    """Place a hold in one process, and say whether the other showed it without asking Valkey or PostgreSQL."""
    other.wait_for_copy(product)
    shown, asked = other.available(product), other.reads("hit", "miss")
    one.hold(product)
    wait_until(lambda: other.available(product) != shown)
    return other.reads("hit", "miss") == asked


def test_a_hold_is_seen_by_the_other_process_without_asking(one, other):
    """Copies end after a second, so that not every attempt stays without a look-up."""
    product = ProductFactory(stock=10_000)

    assert any(see_without_asking(one, other, product) for _ in range(ATTEMPTS))


def test_control_without_pushes_the_other_process_has_to_ask(one, other, proxy):
    product = ProductFactory(stock=10_000)

    with proxy.doing(LosePushes()) as fault:
        seen = [see_without_asking(one, other, product) for _ in range(3)]

    assert seen == [False] * 3
    assert fault.lost >= 3


def test_a_client_sees_its_own_hold_in_its_next_read(other, proxy):
    product = ProductFactory(stock=1_000)
    other.wait_for_copy(product)

    with proxy.doing(LosePushes()):
        for placed in range(1, 101):
            other.hold(product)
            assert other.available(product) == 1_000 - placed

    assert other.reads("local") > 50


def test_after_lost_pushes_an_answer_is_a_second_old_at_most(one, other, proxy):
    product = ProductFactory(stock=10_000)

    with proxy.doing(LosePushes()):
        for _ in range(5):
            other.wait_for_copy(product)
            one.hold(product)
            held_at, now = time.monotonic(), one.available(product)
            wait_a_second_after(held_at)
            assert other.available(product) == now


@pytest.mark.parametrize("fault", [Swallow, Refuse])
def test_without_valkey_an_answer_is_a_second_old_at_most(one, other, proxy, fault):
    product = ProductFactory(stock=10_000)
    other.wait_for_copy(product)

    with proxy.doing(fault()):
        if fault is Refuse:
            proxy.reset_all()
        one.hold(product)
        wait_a_second_after(time.monotonic())
        assert other.available(product) == 9_999
        assert not other.has_copy(product)

    assert any(see_without_asking(one, other, product) for _ in range(ATTEMPTS))


@pytest.mark.parametrize("pushes", ["are buffered", "are lost"])
def test_a_process_that_was_stopped_uses_nothing_old(one, other, proxy, pushes):
    """Its copy, its answered PINGs and its buffered pushes are all from before the stop."""
    product = ProductFactory(stock=10_000)
    pid = other.pid()
    for _ in range(3):
        other.wait_for_copy(product)
        os.kill(pid, signal.SIGSTOP)
        try:
            with proxy.doing(LosePushes()) if pushes == "are lost" else contextlib.nullcontext():
                one.hold(product)
                held_at, now = time.monotonic(), one.available(product)
                wait_a_second_after(held_at)
        finally:
            os.kill(pid, signal.SIGCONT)

        assert other.available(product) == now


def test_sold_out_is_refused_without_asking_and_units_that_come_back_are_sold(one, other):
    product = ProductFactory(stock=5)
    other.wait_for_copy(product)
    hold_id = one.hold(product, 5)
    wait_until(lambda: other.available(product) == 0)

    def refuses_from_a_copy() -> bool:
        before, asked = other.reads("local"), other.reads("hit", "miss")
        assert other.hold(product) == "insufficient_stock"
        return other.reads("local") > before and other.reads("hit", "miss") == asked

    wait_until(refuses_from_a_copy, what="a refusal from a copy")
    one.release(hold_id)

    wait_until(lambda: other.hold(product, 5) != "insufficient_stock")


def test_a_user_of_valkey_without_the_channel_reads_as_before(one, tmp_path):
    """An ACL that allows the keys alone: no copies are kept, and commits still write through."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.acl_setuser("keys", enabled=True, passwords=["+secret"], commands=["+@all"], keys=["*"], reset_channels=True)
    proxy = Proxy(valkey_socket())
    product = ProductFactory(stock=10_000)
    try:
        with process(tmp_path / "log", REDIS_URL=f"redis://keys:secret@127.0.0.1:{proxy.port}/0") as limited:
            for held in (1, 2, 3):
                limited.hold(product)
                assert limited.available(product) == 10_000 - held
            wait_until(lambda: one.available(product) == 9_997)
            assert limited.reads("local") == 0
            assert limited.reads("hit") > 0
    finally:
        proxy.close()
        client.acl_deluser("keys")
        client.close()
