"""Queues of several web processes while processes, Valkey and PostgreSQL fail: they go on, and never back."""

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus

import httpx
import pytest
from django.utils import timezone

from catalog.models import Product
from checkout import audit
from checkout.models import Hold
from checkout.tests.support.queues import HOUR, queued_product, ticket_minted
from checkout.waiting_room.models import LateTickets, Queue
from flashsale.tests.chaos.proxy import Refuse
from flashsale.tests.chaos.shop import open_shop
from flashsale.tests.support.processes import WAIT_SECONDS, children_of, wait_until

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
UNLIMITED = {name: "1000000" for name in ("JOINS_PER_MINUTE", "HOLDS_PER_MINUTE", "READS_PER_MINUTE")}
READERS = 4
CLOCKS_SECONDS = 0.05


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker, tmp_path_factory):
    """Two web processes."""
    folder = tmp_path_factory.mktemp("shop")
    with django_db_blocker.unblock(), open_shop(folder, "web", workers=2, **UNLIMITED) as opened:
        yield opened


@pytest.fixture
def client(shop):
    """A client that opens a connection for each request, so that all processes are asked."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=f"{shop.url}/api/v1", timeout=WAIT_SECONDS, trust_env=False, limits=limits) as opened:
        yield opened


def page_of(client, product) -> dict:
    return client.get(f"/products/{product.pk}/queue").json()


def hold(client, product, ticket: str, **headers: str) -> httpx.Response:
    body = {"product_id": product.pk, "quantity": 1}
    return client.post("/holds", json=body, headers={"Queue-Ticket": ticket} | headers)


def serving_product(client, **columns) -> Product:
    """Return a product whose queue has been serving late tickets for a minute, one each second, and is far behind."""
    product = queued_product(stock=10_000, **columns)
    assert page_of(client, product)["state"] == "open"
    start = timezone.now() - timedelta(minutes=10)
    Product.objects.filter(pk=product.pk).update(sale_starts_at=start, queue_opens_at=start - HOUR)
    # Copies of the queue as it was before the start was moved are used for another second.
    wait_until(lambda: all(page_of(client, product)["seed"] for _ in range(16)), what="all processes know the draw")
    began = timezone.now().replace(microsecond=0) - timedelta(minutes=10)
    seconds = [LateTickets(product=product, began_at=began + timedelta(seconds=n), tickets=100) for n in range(600)]
    LateTickets.objects.bulk_create(seconds)
    Queue.objects.filter(pk=product.pk).update(drawn_at=began)
    wait_until(lambda: all(page_of(client, product)["serving"] > 1 for _ in range(16)), what="all processes know that")
    return product


@contextlib.contextmanager
def watched(client, product) -> Iterator[list[tuple[float, float, float]]]:
    """Read what is served all the time, with several readers; at the end none of it may be less than before.

    Gives when each was asked for, when it was answered, and the place. Between the clocks of two processes lies less
    than `CLOCKS_SECONDS`.
    """
    seen: list[tuple[float, float, float]] = []
    is_over = False

    def read() -> None:
        while not is_over:
            with contextlib.suppress(httpx.TransportError):
                asked, answer = time.monotonic(), client.get(f"/products/{product.pk}/queue")
                if answer.status_code == HTTPStatus.OK:
                    seen.append((asked, time.monotonic(), answer.json()["serving"]))

    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read) for _ in range(READERS)]
        try:
            yield seen
        finally:
            is_over = True
    for reader in readers:
        reader.result()
    for asked, _, serving in seen:
        assert serving >= max((shown for _, at, shown in seen if at + CLOCKS_SECONDS < asked), default=0.0) - 1e-6


def goes_on(client, product) -> None:
    """Wait until more is served than now."""
    shown: list[float] = []

    def is_more() -> bool:
        # A connection to a process that was killed is reset.
        with contextlib.suppress(httpx.TransportError):
            shown.append(page_of(client, product)["serving"])
        return len(shown) > 1 and shown[-1] > shown[0]

    wait_until(is_more, what="more is served")


def test_a_queue_goes_on_and_never_back_while_processes_valkey_and_the_pace_fail(shop, client):
    product = serving_product(client)

    with watched(client, product) as seen:
        wait_until(lambda: len(seen) > 10, what="it is served")
        for rate in (1, 200):
            Product.objects.filter(pk=product.pk).update(admission_rate_max=rate)
            moved_at = Queue.objects.get(pk=product.pk).moved_at
            wait_until(lambda last=moved_at: Queue.objects.get(pk=product.pk).moved_at > last + timedelta(seconds=1))
        os.kill(shop.web_process(), signal.SIGKILL)
        goes_on(client, product)
        with shop.valkey.doing(Refuse()):
            shop.valkey.reset_all()
            goes_on(client, product)
        goes_on(client, product)

    assert len({serving for _, _, serving in seen}) > 20


def test_of_holds_at_once_in_several_processes_with_one_ticket_one_is_placed(shop, client):
    product = serving_product(client)
    ticket = ticket_minted(product, seconds_ago=590)
    wait_until(lambda: hold(client, product, "x").json()["code"] == "ticket_invalid")
    Queue.objects.filter(pk=product.pk).update(serving=300, rate=0)
    wait_until(lambda: page_of(client, product)["serving"] > 20, what="the ticket is served")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: hold(client, product, ticket), range(32)))

    assert sorted({(answer.status_code, answer.json().get("code")) for answer in answers}) == [
        (201, None),
        (409, "ticket_used"),
    ]
    assert Hold.objects.filter(product=product).count() == 1
    assert audit.find_drift() == []


def test_while_postgresql_is_gone_tickets_are_minted_and_the_page_stands(shop, client):
    product = serving_product(client)
    wait_until(lambda: page_of(client, product)["serving"] > 0)

    with shop.database.doing(Refuse()):
        shop.database.reset_all()
        answers = [client.post(f"/products/{product.pk}/queue", json={}) for _ in range(10)]
        page = client.get(f"/products/{product.pk}/queue")

    assert [answer.status_code for answer in answers] == [200] * 10, [answer.text for answer in answers]
    assert page.status_code == 200
    tickets = [answer.json()["ticket"] for answer in answers]
    assert len(set(tickets)) == 10
    wait_until(lambda: client.get(f"/products/{product.pk}/queue").status_code == 200)
    again = [client.post(f"/products/{product.pk}/queue", json={}, headers={"Queue-Ticket": t}) for t in tickets]
    places = [answer.json()["place"] for answer in again]
    assert all(first < second + CLOCKS_SECONDS for first, second in itertools.pairwise(places))


def test_another_process_tells_that_the_last_unit_is_gone(shop, client):
    product = serving_product(client)
    Product.objects.filter(pk=product.pk).update(max_per_hold=10_000)
    ticket = ticket_minted(product, seconds_ago=590)
    Queue.objects.filter(pk=product.pk).update(serving=300, rate=0)
    wait_until(lambda: page_of(client, product)["serving"] > 20, what="the ticket is served")

    body = {"product_id": product.pk, "quantity": 10_000}
    wait_until(lambda: client.post("/holds", json=body, headers={"Queue-Ticket": ticket}).status_code == 201)

    pages = []
    wait_until(lambda: pages.append(page_of(client, product)) or pages[-1]["state"] == "sold_out")
    assert (pages[-1]["available"], pages[-1]["may_return"]) == (0, True)
    assert len(children_of(shop.main_process("web").pid)) == 2
