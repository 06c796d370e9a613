"""Orders whose events the tests number and read."""

import json

import pytest

from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.tests.factories import HoldFactory
from flashsale.outbox import feed
from flashsale.outbox.models import RecordedEvent


@pytest.fixture
def stocked(transactional_db):
    """A product with many units, whose publishing is no event any more."""
    product = ProductFactory(stock=100_000)
    RecordedEvent.objects.all().delete()
    return product


@pytest.fixture
def place(stocked):
    """Returns a function that places orders, each a transaction with an event, and returns their ids as texts."""

    def run(count=1):
        return [str(orders.place(hold_id=HoldFactory(product=stocked).pk).pk) for _ in range(count)]

    return run


@pytest.fixture
def read():
    """Returns a function that reads a page of the feed: its events, and the page."""

    def run(after=None, *, types=(), limit=500):
        page = feed.read(after=after, types=types, limit=limit)
        return [json.loads(body) for body in page.bodies], page

    return run
