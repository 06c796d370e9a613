"""A pytest plugin: the test client's requests for the API run on an event loop, as the web server runs them.

A query on the loop's thread raises `SynchronousOnlyOperation`: every test of the API shows that there is none. The
worker threads use the test's own connection, whose transaction may be undone after the test.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test.client import ClientHandler

from flashsale.core.greenlets import EventLoop

_get_response = ClientHandler.get_response


class SharingEventLoop(EventLoop):
    """An event loop whose worker threads share one database connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: BaseDatabaseWrapper) -> None:
        super().__init__(loop)
        self._connection = connection

    def work(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        self._workers.submit(self._with_shared_connection, function, *args, **kwargs)

    def _with_shared_connection(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        connections["default"] = self._connection
        function(*args, **kwargs)


@contextlib.contextmanager
def _shared_connection() -> Iterator[BaseDatabaseWrapper]:
    connection = connections["default"]
    connection.inc_thread_sharing()
    try:
        yield connection
    finally:
        connection.dec_thread_sharing()


def run_in_greenlet(function: Callable[[], Any]) -> Any:
    """Call a function in a greenlet on an event loop of its own; return or raise what it does."""

    async def call(connection: BaseDatabaseWrapper) -> Any:
        loop = asyncio.get_running_loop()
        events, outcome = SharingEventLoop(loop, connection), loop.create_future()

        def keep_outcome() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:
                outcome.set_exception(error)

        try:
            events.spawn(keep_outcome)
            return await outcome
        finally:
            events.close()

    with _shared_connection() as connection:
        return asyncio.run(call(connection))


def _get_response_as_the_server(handler: ClientHandler, request: HttpRequest) -> HttpResponseBase:
    if not request.path_info.startswith("/api"):
        return _get_response(handler, request)
    return run_in_greenlet(lambda: _get_response(handler, request))


def pytest_configure(config: pytest.Config) -> None:
    ClientHandler.get_response = _get_response_as_the_server
