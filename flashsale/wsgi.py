"""The WSGI application. A web process keeps its database connections in a pool."""

import gc
import os

import django
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import get_resolver
from django.utils.module_loading import import_string

from flashsale import server
from flashsale.core.configuration.database_connections import name_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flashsale.settings")
name_connections("web")
if not os.environ.get("DATABASE_POOL_MAX", "").strip():
    os.environ["DATABASE_POOL_MAX"] = str(server.CONNECTIONS)


class AcyclicHandler(WSGIHandler):
    """Breaks a request's reference cycles after the response, so that reference counting frees its memory at once.

    Sessions, messages and lazy users refer to their request, which holds its body. The garbage collector runs by the
    number of objects, not by their size, so that large bodies would pile up.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """Load the site's middleware, and the handler of the API, whose requests do not pass it."""
        super().load_middleware(is_async)
        self._api = import_string("flashsale.api.handler.ApiHandler")()

    def is_api(self, path: str) -> bool:
        """Say whether the API answers this path: such a response can be made on the event loop."""
        return self._api.answers(path)

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, and clear the request unless a streaming response may still use it."""
        is_api = self.is_api(request.path_info)
        response = self._api.get_response(request) if is_api else super().get_response(request)
        if not response.streaming:
            request.close()
            vars(request).clear()
        return response


django.setup(set_prefix=False)
import_string("flashsale.core.connections.connection").limit_answers()
import_string("catalog.snapshots.subscription").enable()
application = AcyclicHandler()

# Objects loaded by now live as long as the process. Frozen, they are not scanned by the garbage collector, which would
# take a fifth of a busy process's time (measured). API requests leave no reference cycles, pages of the admin do
# (flashsale/tests/api/test_memory.py): a full collection runs after at most 10,000 x 5 x 5 new objects. Python puts it
# off until the new objects are a quarter of the old ones; the second `collect` counts these without the frozen ones.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
gc.collect()
gc.set_threshold(10_000, 5, 5)
