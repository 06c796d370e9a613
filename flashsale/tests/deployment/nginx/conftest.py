"""One shop behind nginx for each test module."""

import pytest

from flashsale.tests.support.behind_nginx import shop_behind_nginx


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), shop_behind_nginx() as shop:
        yield shop


@pytest.fixture
def client(shop):
    with shop.proxy.client() as client:
        yield client
