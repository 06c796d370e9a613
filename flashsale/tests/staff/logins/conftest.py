"""Fixtures of the tests of log-ins."""

import pytest

from flashsale.tests.support.logins import new_address


@pytest.fixture
def address() -> str:
    """The address that this test's log-ins come from, so that tests share no quota."""
    return new_address()


@pytest.fixture
def no_rate(settings):
    """No limit of log-ins a minute."""
    settings.LOGINS_PER_MINUTE = settings.LOGINS_PER_MINUTE_OVERALL = 0


@pytest.fixture
def ann(django_user_model, db):
    """A member of staff called ann with the password secret-1."""
    return django_user_model.objects.create_user("ann", password="secret-1", is_staff=True)
