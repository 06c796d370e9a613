"""The rows of `make bench` about queues: the page that a crowd polls, and joins."""

import contextlib
import urllib.request
from datetime import timedelta

from benchmarks import edge, loads, wrk
from benchmarks.loads import CLIENTS
from benchmarks.results import Row, Side
from benchmarks.shop import ShopUnderTest
from benchmarks.waiting_room.join_crowd import BODY, path_of
from benchmarks.wrk import Load

STOCK = 1000
UNTIL_THE_START = timedelta(hours=1)
OF_READS = 0.8


def add_queued_product(*, stock: int) -> int:
    """Add a product whose queue is open, before its draw; needs the shop's Django to be set up. Returns its id."""
    from django.utils import timezone

    from catalog import products

    starts_at = timezone.now() + UNTIL_THE_START
    columns = {"name": "Widget", "price": "10", "currency": "USD", "queue": "on", "sale_starts_at": starts_at}
    return products.add(stock=stock, **columns).pk


def of_the_page(shop: ShopUnderTest, stack: contextlib.ExitStack, *, seconds: float) -> list[Row]:
    """Compare the page through nginx with a static file of its size, and where it is made with a product read."""
    path, read = path_of(add_queued_product(stock=STOCK)), loads.path_of(shop.add_product(stock=STOCK))
    with urllib.request.urlopen(shop.url + path, timeout=30) as answer:
        page = answer.read()
    running = stack.enter_context(edge.in_front_of(shop, file=page))
    cached = Side("queue page through nginx", lambda: loads.get(running.url, path, seconds))
    static = Side("static file of that size", lambda: loads.get(running.static_url, "", seconds))
    made = Side("queue page, made each time", lambda: loads.get(shop.url, path, seconds))
    product = Side("product reads", lambda: loads.get(shop.url, read, seconds))
    return [Row(0.5, cached, static), Row(0.45, made, product)]


def of_joins(shop: ShopUnderTest, stack: contextlib.ExitStack, *, seconds: float) -> list[Row]:
    """Compare joins, each of which mints and signs a ticket, with product reads; and those through nginx with both."""
    path, read = path_of(add_queued_product(stock=STOCK)), loads.path_of(shop.add_product(stock=STOCK))
    running = stack.enter_context(edge.in_front_of(shop, file=b""))
    direct = Side("joins", lambda: _join(shop.url, path, seconds))
    through = Side("joins through nginx", lambda: _join(running.url, path, seconds))
    product = Side("product reads", lambda: loads.get(shop.url, read, seconds))
    return [Row(OF_READS, direct, product), Row(0.6, through, direct)]


def _join(url: str, path: str, seconds: float) -> Load:
    return wrk.run(url + path, clients=CLIENTS, seconds=seconds, method="POST", body=BODY.decode())
