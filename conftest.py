"""Fixtures of all tests. The plugin `flashsale.tests.support.servers` starts the servers (see pyproject.toml)."""

import os
from collections.abc import Iterator

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from catalog.snapshots import stored, subscription
from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core import redis_client
from flashsale.staff.logins.passwords import BoundedPasswordHasher
from flashsale.tests.support.outbox import NewEvents
from flashsale.tests.support.processes import WAIT_SECONDS
from flashsale.tests.support.racing import NO_IDLE_TIMEOUT, PRODUCTION_TIMEOUTS
from flashsale.tests.support.schedule import fill_schedule

pytest_plugins = [
    "flashsale.tests.support.leftovers", "flashsale.tests.support.event_loop", "flashsale.tests.support.browser",
    "flashsale.tests.support.emptying",
]  # fmt: skip

# The longest modules run first, so that none is left for one process at the end.
SLOW = (
    "test_hosts.py", "test_up.py", "test_hostile_admin.py", "test_storms.py", "test_start.py", "test_property.py",
    "test_memory.py", "test_admin_actions.py", "test_restore.py",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests for several processes (pytest-xdist); one process keeps pytest-django's order."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """Raise the timeouts of Redis, HTTP and idle transactions: a busy machine is slow."""
    connection.settings_dict["OPTIONS"]["options"] = f"{PRODUCTION_TIMEOUTS} {NO_IDLE_TIMEOUT}"
    httpx.Client.__init__.__kwdefaults__["timeout"].read = WAIT_SECONDS
    settings.REDIS_TIMEOUT_SECONDS = WAIT_SECONDS
    redis_client.client().connection_pool.connection_kwargs.update(redis_client.connect_options())


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> None:
    """Hash passwords once: otherwise each log-in and each member of staff takes a quarter of a second."""
    BoundedPasswordHasher.iterations = 1


@pytest.fixture(autouse=True)
def no_copies() -> Iterator[None]:
    """Products are read from Valkey and PostgreSQL: a test that is about copies in the process enables them."""
    subscription.reset()
    yield
    subscription.reset()


@pytest.fixture
def api() -> APIClient:
    """A client of the API whose exceptions become answers, as over HTTP."""
    return APIClient(raise_request_exception=False)


@pytest.fixture
def dead_redis(monkeypatch):
    """From now on no Redis answers, and the snapshots' circuit breaker has not noticed yet."""
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(stored, "_breaker", redis_client.CircuitBreaker(fallback="PostgreSQL answers for products"))


@pytest.fixture
def schedule(db):
    """The beat's schedule of the migrations."""
    fill_schedule()


@pytest.fixture
def product(db):
    """A published product with 10 units at 29.99 USD, on sale now."""
    return ProductFactory()


@pytest.fixture
def hold(product):
    """An active hold of 2 units of `product`."""
    return HoldFactory(product=product, quantity=2)


@pytest.fixture
def order(product):
    """An order of 2 units of `product` that waits for its payment."""
    return OrderFactory(product=product, quantity=2)


@pytest.fixture
def new_events(transactional_db):
    """Returns a function that returns the events since the test began, or since its last call."""
    return NewEvents()


@pytest.fixture
def new_admin_client(transactional_db, admin_user):
    """Returns a function that makes one more client in which the same administrator is logged in."""

    def make() -> Client:
        client = Client()
        client.force_login(admin_user)
        return client

    return make
