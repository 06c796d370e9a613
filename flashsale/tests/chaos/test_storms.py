"""Machines, networks and servers fail during a sale; the history of all answers shows that every promise was kept.

CHAOS_SECONDS says how long each fault lasts (`make chaos`: 10). The report is printed, and written to
CHAOS_REPORT where that names a file.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from django.db import connection

from catalog.tests.factories import ProductFactory
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, let_hold_pass
from flashsale.local_provider.running import RunningProvider
from flashsale.tests.chaos.history import History, broken_promises
from flashsale.tests.chaos.payments import broken_payments, open_provider, payments_are_settled, share_settings
from flashsale.tests.chaos.proxy import Delay, LoseCommits, Refuse, Swallow
from flashsale.tests.chaos.shop import ProxiedShop, open_shop
from flashsale.tests.chaos.shoppers import Crowd
from flashsale.tests.support.processes import WAIT_SECONDS, children_of, wait_until
from flashsale.tests.support.racing import blocked
from flashsale.tests.support.schedule import fill_schedule
from flashsale.tests.support.web import database_url
from payments.models import WebhookEvent

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]

FAULT_SECONDS = float(os.environ.get("CHAOS_SECONDS", "1.5"))
CALM_SECONDS = 0.7
# A transaction that does nothing loses its locks after this (DATABASE_IDLE_TRANSACTION_MS).
IDLE_SECONDS = 5
LONG_OUTAGE_SECONDS = 20


@dataclass
class Report:
    """A line for each storm."""

    lines: list[str] = field(default_factory=list)

    def add(self, name: str, history: History, broken: list[str]) -> None:
        found = history.outcomes()
        numbers = " | ".join(str(found[outcome]) for outcome in ("done", "refused", "busy", "unknown"))
        self.lines.append(f"| {name} | {len(history.answers)} | {numbers} | {len(broken)} |")

    def text(self) -> str:
        heads = ["storm", "requests", "done", "refused", "busy", "unknown", "promises broken"]
        return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *self.lines]) + "\n"


def database_refuses(shop: ProxiedShop) -> None:
    with shop.database.doing(Refuse()):
        shop.database.reset_all()
        time.sleep(FAULT_SECONDS)


def database_is_slow(shop: ProxiedShop) -> None:
    with shop.database.doing(Delay(0.1)):
        time.sleep(FAULT_SECONDS)


def database_swallows(shop: ProxiedShop) -> None:
    with shop.database.doing(Swallow()):
        time.sleep(FAULT_SECONDS)


def connections_are_reset(shop: ProxiedShop) -> None:
    for _ in range(int(FAULT_SECONDS * 10)):
        shop.database.reset_all()
        time.sleep(0.1)


def commits_lose_their_answers(shop: ProxiedShop) -> None:
    with shop.database.doing(LoseCommits(percent=30)) as fault:
        time.sleep(FAULT_SECONDS)
        wait_until(lambda: fault.lost, what="a commit is hit")


def database_crashes(shop: ProxiedShop) -> None:
    """Kill a backend: PostgreSQL ends all others and recovers from its WAL."""
    os.kill(_backend(shop), signal.SIGKILL)
    time.sleep(FAULT_SECONDS)


def database_freezes_in_the_middle(shop: ProxiedShop) -> None:
    """Stop the processes that hold the locks."""
    frozen = [_backend(shop) for _ in range(3)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(FAULT_SECONDS)
    for pid in frozen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def web_process_is_killed(shop: ProxiedShop) -> None:
    os.kill(shop.web_process(), signal.SIGKILL)
    time.sleep(FAULT_SECONDS)


def web_process_freezes(shop: ProxiedShop) -> None:
    """It keeps its locks until PostgreSQL ends its transaction."""
    frozen = shop.web_process()
    os.kill(frozen, signal.SIGSTOP)
    time.sleep(max(FAULT_SECONDS, IDLE_SECONDS + 0.5))
    os.kill(frozen, signal.SIGCONT)


def valkey_refuses(shop: ProxiedShop) -> None:
    with shop.valkey.doing(Refuse()):
        shop.valkey.reset_all()
        time.sleep(FAULT_SECONDS)


def valkey_swallows(shop: ProxiedShop) -> None:
    with shop.valkey.doing(Swallow()):
        time.sleep(FAULT_SECONDS)


def valkey_is_emptied(shop: ProxiedShop) -> None:
    for _ in range(int(FAULT_SECONDS * 10)):
        _valkey(shop).flushall()
        time.sleep(0.1)


def valkey_is_full(shop: ProxiedShop) -> None:
    valkey = _valkey(shop)
    valkey.config_set("maxmemory", 1)
    try:
        time.sleep(FAULT_SECONDS)
    finally:
        valkey.config_set("maxmemory", 0)


def worker_is_killed(shop: ProxiedShop) -> None:
    shop.kill("worker")
    time.sleep(FAULT_SECONDS)
    shop.start("worker")


def worker_and_beat_are_doubled(shop: ProxiedShop) -> None:
    shop.start("worker", "beat")
    time.sleep(FAULT_SECONDS + 3)
    shop.kill("beat")
    shop.kill("worker")


def worker_and_beat_sleep_an_hour(shop: ProxiedShop) -> None:
    """An hour without them by the database's clock: all open holds and orders are overdue when they are back."""
    shop.kill("worker")
    shop.kill("beat")
    time.sleep(FAULT_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE checkout_hold SET created_at = created_at - interval '1 hour',"
            " expires_at = expires_at - interval '1 hour' WHERE status = 'active'"
        )
        cursor.execute(
            "UPDATE checkout_order SET created_at = created_at - interval '1 hour',"
            " payment_due_at = payment_due_at - interval '1 hour' WHERE status = 'pending_payment'"
        )
    shop.start("worker", "beat")


def payer_is_killed(shop: ProxiedShop) -> None:
    shop.kill("payer")
    time.sleep(FAULT_SECONDS)
    shop.start("payer")


def provider_that(**habits: Any) -> Callable[[RunningProvider], None]:
    """Return a storm in which the provider has these habits; what it was slow to answer is answered in the end."""

    def misbehave(provider: RunningProvider) -> None:
        provider.set_habits(**habits)
        time.sleep(FAULT_SECONDS)
        provider.set_habits()
        provider.end_waiting()

    return misbehave


PROVIDER_STORMS = {
    "provider is gone": provider_that(errors={"dropped": 1}),
    "provider is slow": provider_that(delay_seconds=60),
    "provider errs": provider_that(errors={"made_then_500": 0.3, "500": 0.2, "reset": 0.2, "502": 0.1}),
    "provider sends webhooks twice": provider_that(webhooks="twice"),
    "provider sends no webhooks": provider_that(webhooks="never"),
    "provider ends payments too late": provider_that(cancel="too_late"),
}
STORMS: list[Callable[[ProxiedShop], None]] = [
    database_refuses, database_is_slow, database_swallows, connections_are_reset, commits_lose_their_answers,
    database_crashes, database_freezes_in_the_middle, web_process_is_killed, web_process_freezes, valkey_refuses,
    valkey_swallows, valkey_is_emptied, valkey_is_full, worker_is_killed, worker_and_beat_are_doubled,
    worker_and_beat_sleep_an_hour, payer_is_killed,
]  # fmt: skip


def test_the_shop_keeps_its_promises_through_a_fault(tmp_path, subtests, settings):
    report = Report()
    with (
        open_provider() as (provider, environment),
        open_shop(tmp_path, "web", "worker", "payer", "beat", **environment) as shop,
    ):
        share_settings(settings, provider)
        storms = {storm.__name__.replace("_", " "): partial(storm, shop) for storm in STORMS}
        storms |= {name: partial(storm, provider) for name, storm in PROVIDER_STORMS.items()}
        for name, storm in storms.items():
            with subtests.test(name):
                history, broken = weather(shop, storm, provider)
                report.add(name, history, broken)
                assert broken == []
    print(f"\n{report.text()}")
    if path := os.environ.get("CHAOS_REPORT"):
        Path(path).write_text(report.text())


def weather(shop: ProxiedShop, storm: Callable[[], None], provider: RunningProvider) -> tuple[History, list[str]]:
    """Let a crowd buy before, during and after a storm; return the answers and the broken promises."""
    products = [ProductFactory(stock=15), ProductFactory(stock=5000, max_per_customer=3), ProductFactory(stock=5000)]
    with Crowd(shop.url, products, provider) as crowd:
        time.sleep(CALM_SECONDS)
        storm()
        connection.close()
        time.sleep(CALM_SECONDS)
    wait_until(lambda: shop.ended() or payments_are_settled(provider), what="the payments are closed or known")
    wait_until(lambda: shop.ended() or _all_events_are_settled(), what="the worker has finished the events")
    broken = [*shop.ended(), *crowd.broken, *broken_promises(crowd.history, products), *broken_payments(provider)]
    return crowd.history, broken


def _all_events_are_settled() -> bool:
    """Say whether the worker has settled all events; makes every open event due at once."""
    left_open = WebhookEvent.objects.filter(status__in=["received", "failed"])
    return not left_open.update(next_attempt_at="2020-01-01T00:00:00Z")


def _backend(shop: ProxiedShop) -> int:
    """A PostgreSQL process that works for the shop, in the middle of a transaction where there is one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " ORDER BY xact_start IS NULL, random() LIMIT 1"
        )
        return cursor.fetchone()[0]


def _valkey(shop: ProxiedShop) -> redis.Redis:
    return redis.Redis(port=shop.valkey.port)


@pytest.mark.parametrize("fault", [Refuse, Swallow])
def test_a_beat_that_starts_without_the_database_waits_for_it(tmp_path, fault):
    with open_shop(tmp_path, "worker") as shop:
        fill_schedule()
        with shop.database.doing(fault()):
            shop.start("beat")
            wait_until(lambda: "the beat cannot read its schedule" in shop.log(), what="it noticed")
        overdue = HoldFactory()
        let_hold_pass(overdue)

        wait_until(
            lambda: not Hold.objects.filter(pk=overdue.pk, status="active").exists(), what="the worker expired it"
        )
        assert shop.stop("beat") == [0]


def test_after_a_long_outage_the_database_is_used_as_soon_as_it_is_back(tmp_path):
    """With psycopg's own schedule its pool stays without connections for about as long as the outage lasted."""
    path = "/api/v1/orders/00000000-0000-4000-8000-000000000000"
    with open_shop(tmp_path, "web", workers=1) as shop, ThreadPoolExecutor() as pool, httpx.Client() as client:
        with shop.database.doing(Refuse()):
            shop.database.reset_all()
            ends = time.monotonic() + LONG_OUTAGE_SECONDS
            while time.monotonic() < ends:
                asked = pool.map(lambda _: httpx.get(shop.url + path, timeout=WAIT_SECONDS), range(6))
                answers = [answer.status_code for answer in asked]
        assert set(answers) == {503}

        back_at = time.monotonic()
        wait_until(lambda: client.get(shop.url + path).status_code == 404, what="it answers again")
        # psycopg's own pauses between tries have become longer than this.
        assert time.monotonic() - back_at < LONG_OUTAGE_SECONDS


def test_a_server_that_is_stopped_finishes_its_requests(tmp_path):
    product = ProductFactory(stock=5000)
    with open_shop(tmp_path, "web", "worker", "beat") as shop:
        workers = children_of(shop.main_process("web").pid)
        with Crowd(shop.url, [product]) as crowd:
            time.sleep(CALM_SECONDS)
            for name in ("worker", "beat"):
                wait_until(lambda name=name: shop.handles_sigterm(name), what=f"{name} can be stopped in order")
            codes = shop.stop("web", "worker", "beat")
            shop.start("web")
        assert codes == [0, 0, 0]
        assert not set(workers) & set(children_of(shop.main_process("web").pid))

    assert (crowd.broken, broken_promises(crowd.history, [product])) == ([], [])


def test_a_request_that_waits_for_a_lock_is_answered_before_the_server_stops(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT_MS", "60000")
    product = ProductFactory(stock=5)
    with open_shop(tmp_path, "web") as shop, psycopg.connect(database_url()) as somebody, ThreadPoolExecutor() as pool:
        somebody.execute("SELECT 1 FROM catalog_stock FOR UPDATE")
        wanted = {"product_id": product.pk, "quantity": 1}
        waiting = pool.submit(httpx.post, f"{shop.url}/api/v1/holds", json=wanted, timeout=WAIT_SECONDS)
        wait_until(blocked, what="the request waits for the lock")
        stopping = pool.submit(shop.stop, "web")
        wait_until(lambda: "Stopping" in shop.log() or "Shutting down" in shop.log(), what="the server is stopping")
        somebody.rollback()

        assert waiting.result().status_code == 201
        assert stopping.result() == [0]
