"""Fixtures of the back office's tests."""

import pytest

from flashsale.tests.support.backoffice import BackofficeClient


@pytest.fixture
def erp(db) -> BackofficeClient:
    """A client whose token "ERP" has every scope."""
    return BackofficeClient()
