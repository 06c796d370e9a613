"""HTTP requests of Stripe's library, each sent once over one of the process's connections to the API.

Redirects are not followed, cookies are not kept, and an answer has a limit, in bytes and in time. The connection that
was used last is used first: few are enough for all threads, and few TLS handshakes are needed.
Source: https://urllib3.readthedocs.io/en/stable/reference/urllib3.connectionpool.html.
"""

import functools
import http.client
import ssl
import time
from collections.abc import Mapping
from typing import Any

import stripe
import urllib3
from django.conf import settings
from requests.utils import get_auth_from_url, get_environ_proxies, prepend_scheme_if_needed, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from flashsale.core import tracing
from flashsale.core.greenlets import WORKER_THREADS

MAX_ANSWER_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
# A connection without use may have been dropped on the way without a word, and a request on it would time out.
MAX_IDLE_SECONDS = 30


class Transport(stripe.HTTPClient):
    """Sends one request of a client; `seconds` bounds connecting and reading its answer.

    `http_status` is the answer's, 0 before there is one: the library loses that of an error which it cannot read.
    """

    # The library writes it into a header.
    name = "urllib3"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.http_status = 0

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_usage: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        """Return the answer's body, status and headers. Raises `stripe.APIConnectionError`."""
        ends_at = time.monotonic() + self._seconds
        try:
            with connections(settings.STRIPE_API_BASE).request(
                method.upper(),
                url,
                headers={**(headers or {}), **tracing.outgoing_headers()},
                body=post_data,
                timeout=urllib3.Timeout(total=self._seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            ) as response:
                self.http_status = response.status
                return _body_of(response, ends_at).decode(), response.status, response.headers
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                f"No answer: {type(error).__name__}."
            ) from error

    def close(self) -> None:
        """Keep the connections for the next request."""


class _DroppedWhenIdle:
    """A connection that counts as dropped when it was not used for `MAX_IDLE_SECONDS`: urllib3 opens it again."""

    _used_at = 0.0

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]  # of the connection that it is mixed into
        self._used_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        is_fresh = time.monotonic() - self._used_at <= MAX_IDLE_SECONDS
        return is_fresh and super().is_connected  # type: ignore[misc]  # as above


class _Connection(_DroppedWhenIdle, HTTPConnection):
    pass


class _SecureConnection(_DroppedWhenIdle, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


@functools.lru_cache(maxsize=1)
def connections(base: str) -> urllib3.PoolManager:
    """Return the process's connections to the API at `base`, through a proxy where the environment names one."""
    proxy = select_proxy(base, get_environ_proxies(base))
    context = ssl.create_default_context(cafile=stripe.ca_bundle_path)
    if proxy is None:
        manager = urllib3.PoolManager(maxsize=WORKER_THREADS, ssl_context=context)
    else:
        user, password = get_auth_from_url(proxy)
        headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
        address = prepend_scheme_if_needed(proxy, "http")
        manager = urllib3.ProxyManager(address, proxy_headers=headers, maxsize=WORKER_THREADS, ssl_context=context)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def _body_of(response: urllib3.BaseHTTPResponse, ends_at: float) -> bytes:
    """Return the body; raises `ValueError` when it is too large or takes too long."""
    chunks, size = [], 0
    while chunk := response.read1(CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES or time.monotonic() > ends_at:
            raise ValueError
    return b"".join(chunks)
