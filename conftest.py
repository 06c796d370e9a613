"""What every test may use. The servers are started by the plugin `flashsale.tests.servers` (see pyproject.toml)."""

import pytest
from rest_framework.test import APIClient

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory, OrderFactory


@pytest.fixture
def api() -> APIClient:
    """A client of the API whose exceptions become answers, as over HTTP."""
    return APIClient(raise_request_exception=False)


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
