"""Fixtures of the API's tests."""

import itertools
from collections.abc import Iterator

import pytest

# No two tests share an address, hence none shares a rate limit's window.
_ADDRESSES = (f"198.51.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


@pytest.fixture
def closed(settings) -> None:
    """Require an API token for every request."""
    settings.API_ACCESS = "token"


@pytest.fixture
def addresses() -> Iterator[str]:
    """IP addresses that no other test sends requests from."""
    return _ADDRESSES


@pytest.fixture
def address(addresses) -> str:
    return next(addresses)
