"""Fixtures of the admin's tests."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from flashsale.models import RolesMade


@pytest.fixture
def roles(db):
    """The groups as a first migration makes them."""
    Group.objects.all().delete()
    RolesMade.objects.all().delete()
    call_command("migrate", verbosity=0)
