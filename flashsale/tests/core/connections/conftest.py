"""A primary and its synchronous standby, and connections of ours to either."""

import pytest
from django.db import connection

from flashsale.core.connections.base import DatabaseWrapper
from flashsale.tests.support.replication import replicated

POOL = {"min_size": 3, "max_size": 3, "timeout": 30}


def pid_of(wrapper) -> int:
    """Return the id of the server process of a connection."""
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


@pytest.fixture(scope="module")
def pair(django_db_setup, django_db_blocker):
    """The two servers, shared by the tests of a module."""
    with django_db_blocker.unblock(), replicated() as (primary, standby):
        yield primary, standby


@pytest.fixture
def connect(transactional_db):
    """Returns a function that makes a thread's connection to a server, as the shop makes it."""
    opened = []

    def connect(node, *, backend=DatabaseWrapper, pool=None):
        settings = connection.copy().settings_dict | {"HOST": "127.0.0.1", "PORT": str(node.port)}
        settings["OPTIONS"] |= {"pool": pool} if pool else {}
        opened.append(backend(settings, alias=f"own{len(opened)}"))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()
        one.close_pool()


@pytest.fixture
def use(transactional_db, monkeypatch):
    """Returns a function that leads this process's own connections to other servers."""
    connection.close()
    with monkeypatch.context() as patch:

        def use(*nodes):
            patch.setitem(connection.settings_dict, "HOST", ",".join("127.0.0.1" for _ in nodes))
            patch.setitem(connection.settings_dict, "PORT", ",".join(str(node.port) for node in nodes))

        yield use
    connection.close()
