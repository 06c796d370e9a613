"""A queue behind nginx: its page comes from the cache , its tickets from the application."""

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import httpx
import psycopg
import pytest

from benchmarks.waiting_room import join_crowd
from checkout.waiting_room import tickets
from checkout.waiting_room.models import Queue
from flashsale.tests.support.deployed import Deployment, Proxy, deployment, nginx, refusal_of, stopping
from flashsale.tests.support.processes import WAIT_SECONDS, free_port, wait_until

pytestmark = pytest.mark.django_db

# A queue before its draw; one without a draw, which serves; one whose only unit is about to be held; no queue.
MAKE = """
import json
from datetime import timedelta
from django.utils import timezone
from catalog import products
from flashsale.tests.support.tokens import make_token
def add(hours, stock, queue="on"):
    starts_at = timezone.now() + timedelta(hours=hours)
    columns = dict(name="Widget", price="29.99", currency="USD", sale_starts_at=starts_at, queue=queue)
    return products.add(stock=stock, **columns).pk
print(json.dumps([add(1, 10), add(-1, 1000), add(-1, 1), add(-1, 10, "off"), make_token()]))
"""
POLLERS = 4
SECONDS = 3
JOINS, CLIENTS = 2_000, 64
# How long after the last unit is held the page may still say otherwise.
TOLD_SECONDS = 2
TRIES = 100


@dataclass(frozen=True)
class QueuesBehindNginx:
    """A deployment with two web processes, its nginx, and products by the state of their queues."""

    deployed: Deployment
    proxy: Proxy
    web: subprocess.Popen
    waiting: int
    serving: int
    last_unit: int
    without: int
    token: str

    def upstream_requests(self, path: str) -> int:
        """Return how many requests for a path have reached the application."""
        lines = [json.loads(line) for line in self.proxy.log.read_text().splitlines()]
        return sum(line["path"] == path and line["upstream"] != "" for line in lines)


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    """Without limits: the crowd comes from one address."""
    variables = {"SECURE_SSL_REDIRECT": "0", "READS_PER_MINUTE": "0", "HOLDS_PER_MINUTE": "0"}
    variables |= {"WRONG_TOKENS_PER_MINUTE": "0", "ALLOWED_HOSTS": "shop.test,127.0.0.1,localhost"}
    with django_db_blocker.unblock(), deployment(**variables) as deployed:
        made = deployed.manage("shell", "-v", "0", "-c", MAKE)
        assert made.returncode == 0, made.stderr
        port = free_port()
        own = {"WEB_HOST": "127.0.0.1", "PORT": str(port), "JOINS_PER_MINUTE": "0"}
        web = deployed.start("web", "-m", "flashsale.server", **own)
        no_limit = {"rate=50r/s": "rate=1000000r/s"}
        with stopping(web), nginx(deployed.folder, web=port, pay=port, changes=no_limit) as proxy:
            wait_until(lambda: httpx.get(f"{proxy.url}/readyz").status_code == 200, what="the shop is open")
            yield QueuesBehindNginx(deployed, proxy, web, *json.loads(made.stdout))


@pytest.fixture
def client(shop):
    with shop.proxy.client() as client:
        yield client


def of_one_second(client: httpx.Client, ask: Callable[[], list[httpx.Response]]) -> list[httpx.Response]:
    """Return answers that nginx gave within one second of its clock, at whose end it fetches a page again."""
    for _ in range(TRIES):
        second = client.get("/livez").headers["Date"]
        answers = ask()
        if {answer.headers["Date"] for answer in answers} == {second}:
            return answers
    pytest.fail("no answers within one second")


def test_the_page_is_the_same_for_everyone_with_any_query_and_any_token(shop, client):
    path = join_crowd.path_of(shop.waiting)
    wrong, right = ({"Authorization": f"Bearer {token}"} for token in ("wrong", shop.token))

    def ask() -> list[httpx.Response]:
        asked = [(path, {}), (f"{path}?_=1", {}), (path, wrong), (path, right)]
        return [client.get(path, headers=headers) for path, headers in asked]

    first, *others = of_one_second(client, ask)

    assert first.headers["Cache-Control"] == "public, max-age=1"
    assert first.json()["state"] == "open"
    assert {answer.headers["X-Cache-Status"] for answer in others} == {"HIT"}
    assert {answer.text for answer in others} == {first.text}


def test_a_crowd_costs_one_request_a_second_and_sees_the_queue_go_forwards_only(shop):
    path = join_crowd.path_of(shop.serving)

    def has_stood(pages: list[dict]) -> bool:
        return pages[0]["serving"] == pages[-1]["serving"]

    def poll(_: int) -> list[dict]:
        """Ask without a pause until nginx has shown so many seconds, and the queue has moved."""
        pages, seconds = [], set()
        with shop.proxy.client() as client:
            while len(seconds) <= SECONDS or (has_stood(pages) and len(seconds) < WAIT_SECONDS):
                answer = client.get(path)
                seconds.add(answer.headers["Date"])
                pages.append(answer.json())
        return pages

    with ThreadPoolExecutor(POLLERS) as pool:
        seen = list(pool.map(poll, range(POLLERS)))
    wait_until(lambda: shop.proxy.log.read_text().count(path) >= sum(map(len, seen)), what="all are logged")

    served = [[page["serving"] for page in pages] for pages in seen]
    asked_at = sorted(datetime.fromisoformat(page["server_time"]) for pages in seen for page in pages)
    # On a busy machine a page takes longer than pollers wait for the one that fetches it: then each fetches it itself.
    assert shop.upstream_requests(path) <= POLLERS * ((asked_at[-1] - asked_at[0]).total_seconds() + 2)
    assert sum(map(len, seen)) > 10 * SECONDS
    assert served == [sorted(places) for places in served]
    assert not any(has_stood(pages) for pages in seen)


def test_errors_are_not_kept(shop, client):
    path = join_crowd.path_of(shop.without)

    answers = [client.get(path) for _ in range(2)]

    assert [refusal_of(answer) for answer in answers] == [(404, "not_found")] * 2
    wait_until(lambda: shop.proxy.log.read_text().count(path) == 2, what="both are logged")
    assert shop.upstream_requests(path) == 2


def test_that_the_last_unit_is_held_is_told_soon(shop, client):
    path = join_crowd.path_of(shop.last_unit)
    ticket = client.post(path, json={}).json()["ticket"]
    body, headers = {"product_id": shop.last_unit, "quantity": 1}, {"Queue-Ticket": ticket}
    assert client.get(path).json()["state"] == "serving"
    wait_until(
        lambda: client.post("/api/v1/holds", json=body, headers=headers).status_code == 201, what="the ticket is served"
    )
    held_at = time.monotonic()

    def is_told() -> bool:
        asked_at = time.monotonic()
        answer = client.get(path)
        page = answer.json()
        is_new = page["state"] == "sold_out"
        # While one request refreshes the page, the others get the cached one.
        assert is_new or asked_at - held_at < TOLD_SECONDS or answer.headers["X-Cache-Status"] == "UPDATING"
        return is_new and (page["available"], page["may_return"]) == (0, True)

    wait_until(is_told, what="the page says so")


def test_no_join_is_lost(shop, client, settings):
    settings.QUEUE_KEYS = [shop.deployed.secret("queue_keys")]

    joins = join_crowd.join(shop.proxy.port, shop.waiting, count=JOINS, clients=CLIENTS)

    assert joins.statuses == {200: JOINS}
    assert len({tickets.verified(text, product_id=shop.waiting).id for text in joins.tickets}) == JOINS
    with psycopg.connect(shop.deployed.servers["DATABASE_URL"], autocommit=True) as database:
        query = f"SELECT tickets FROM {Queue._meta.db_table} WHERE product_id = %s"
        wait_until(lambda: database.execute(query, [shop.waiting]).fetchone() == (JOINS,), what="all are counted")


def test_a_ticket_is_never_kept_and_its_place_is_told_through_nginx(shop, client):
    path = join_crowd.path_of(shop.serving)

    first, second = (client.post(path, json={}) for _ in range(2))
    again = client.post(path, json={}, headers={"Queue-Ticket": first.json()["ticket"]})

    assert first.json()["ticket"] != second.json()["ticket"]
    assert again.json() == first.json()
    assert {answer.headers["Cache-Control"] for answer in (first, second, again)} == {"no-store"}


def test_while_the_application_is_down_the_page_is_the_last_one_and_tickets_get_busy(shop, client):
    path = join_crowd.path_of(shop.waiting)
    before = client.get(path).json()

    shop.web.terminate()
    wait_until(lambda: client.get(path).headers["X-Cache-Status"] == "STALE", what="it is stale")

    assert client.get(path).json()["seed_hash"] == before["seed_hash"]
    assert refusal_of(client.post(path, json={})) == (503, "busy")
    never_asked = [client.get(f"{path}/") for _ in range(2)]
    assert [refusal_of(answer) for answer in never_asked] == [(503, "busy")] * 2
