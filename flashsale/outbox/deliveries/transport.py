"""One POST to an address that was checked: see `post` for what it does not do.

No proxies of the environment, no redirects, no cookies, no credentials, no compressed answers.
"""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import certifi

from flashsale.outbox.deliveries.bounded_sockets import BoundedSocket, Deadline
from flashsale.outbox.endpoints import addresses
from flashsale.outbox.endpoints.addresses import Target

# Of an answer so much is read at most, its headers included, and so much kept.
MAX_ANSWER_BYTES = 64 * 1024
KEPT_CHARACTERS = 2 * 1024
MAX_HEADER_LENGTH = 100

# host, port, seconds -> addresses; raises `addresses.Unreachable`.
Resolve = Callable[..., list[str]]


@dataclass(frozen=True)
class Limits:
    """How long connecting, its name's resolution included, and all together may take, in seconds."""

    connect_seconds: float = 3.0
    total_seconds: float = 15.0


LIMITS = Limits()


@dataclass(frozen=True)
class Answer:
    """What came of a POST: the status, None without an answer; `text` is the beginning of the body, for people.

    `error` says what went wrong, empty for a status of success. `retry_after` is the header as it was sent.
    """

    status: int | None
    text: str
    error: str
    duration_ms: int
    retry_after: str = ""

    @property
    def is_success(self) -> bool:
        """Say whether the receiver took it."""
        return not self.error


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    limits: Limits = LIMITS,
    resolve: Resolve = addresses.resolve,
) -> Answer:
    """Send one request and return what came of it; raises nothing.

    The answer of a receiver that does not end it in time is a failure, whatever its status.
    """
    started = time.monotonic()
    status, text, retry_after = None, "", ""
    try:
        status, text, retry_after = _exchange(addresses.parse(url), body, headers, limits, resolve)
        error = _fault_of(status)
    except (addresses.BadUrl, addresses.Unreachable) as refusal:
        error = str(refusal)
    except (OSError, http.client.HTTPException, ValueError) as failure:
        error = _sentence_of(failure, limits)
    duration_ms = round((time.monotonic() - started) * 1_000)
    return Answer(status=status, text=text, error=error, duration_ms=duration_ms, retry_after=retry_after)


def _exchange(
    target: Target, body: bytes, headers: Mapping[str, str], limits: Limits, resolve: Resolve
) -> tuple[int, str, str]:
    """Return the status, the kept text, and the header Retry-After."""
    deadline = Deadline(limits.total_seconds)
    with contextlib.closing(_connect(target, Deadline(limits.connect_seconds), resolve)) as plain:
        plain.settimeout(deadline.left())
        # The whole handshake is within the socket's timeout.
        secure = _context().wrap_socket(plain, server_hostname=target.host) if target.is_secure else plain
        with contextlib.closing(secure):
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.auto_open = 0
            connection.sock = BoundedSocket(secure, deadline, max_bytes=MAX_ANSWER_BYTES)
            all_headers = {"Host": target.authority, "Connection": "close", **headers}
            connection.request("POST", target.path, body=body, headers=all_headers)
            return _read(connection.getresponse())


def _read(response: http.client.HTTPResponse) -> tuple[int, str, str]:
    try:
        content = response.read(MAX_ANSWER_BYTES)
    except http.client.IncompleteRead as error:
        content = error.partial
    # PostgreSQL stores no NUL.
    text = content[:KEPT_CHARACTERS].decode(errors="replace").replace("\0", "")
    return response.status, text, (response.headers.get("Retry-After") or "")[:MAX_HEADER_LENGTH]


def _connect(target: Target, deadline: Deadline, resolve: Resolve) -> socket.socket:
    """Return a connection to the first address that answers; each has its part of the time that is left.

    Raises `OSError`, `Unreachable`.
    """
    chosen = addresses.allowed(resolve(target.host, target.port, seconds=deadline.left()))
    for position, address in enumerate(chosen):
        is_last = position + 1 == len(chosen)
        try:
            # An address, not the name: nothing is resolved again.
            return socket.create_connection((address, target.port), timeout=deadline.left() / (len(chosen) - position))
        except TimeoutError:
            if is_last:
                raise addresses.Unreachable("The endpoint could not be connected to in time.") from None
        except OSError:
            if is_last:
                raise
    raise AssertionError("there is at least one address")


@cache
def _context() -> ssl.SSLContext:
    """Return what checks certificates: by the authorities of this system, and by those that browsers trust."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _fault_of(status: int) -> str:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "Redirects are not followed."
    return f"The endpoint answered {status}."


def _sentence_of(error: Exception, limits: Limits) -> str:
    """Return what went wrong, without the URL or anything that was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "The endpoint's certificate is not valid."
    if isinstance(error, ssl.SSLError):
        return "TLS could not be negotiated."
    if isinstance(error, TimeoutError):
        return f"There was no whole answer in {limits.total_seconds:g} s."
    if isinstance(error, OSError):
        return f"The connection failed: {error.strerror or 'it was closed'}."
    return "The answer is not HTTP."
