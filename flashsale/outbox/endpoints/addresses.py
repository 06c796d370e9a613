"""Addresses that may be connected to: public ones, and those in the networks that the operator lists.

A name is resolved once, and the connection is made to an address that was checked: a name that answers another address
the next time reaches nothing.
"""

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_LENGTH = 2_000
# Of a name with more addresses, the others are not tried.
MAX_ADDRESSES = 4
# Lookups that a resolver does not answer keep their threads for as long as the resolver tries.
MAX_LOOKUPS = 128

DEFAULT_PORTS = {"https": 443, "http": 80}
# Source: https://www.iana.org/assignments/ipv6-unicast-address-assignments
_ALLOCATED = ipaddress.IPv6Network("2000::/3")
# Source: RFC 6052, section 2.1
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_MASK = 2**32 - 1
_URL = re.compile(r"[!-~]+")
_HOST = re.compile(r"[a-z0-9_.:-]+", re.IGNORECASE)

_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


class BadUrl(ValueError):
    """Nothing can be sent to this URL; the message is for people."""


class Unreachable(Exception):
    """The host has no address that may be connected to; the message is for people."""


@dataclass(frozen=True)
class Target:
    """What a URL names: `host` is a name or an address without brackets, `authority` the value of the header Host."""

    is_secure: bool
    host: str
    port: int
    authority: str
    path: str


def parse(url: str) -> Target:
    """Return what an absolute http or https URL names. Raises `BadUrl`.

    Refused are credentials and fragments, and what is not printable ASCII: other names are written in Punycode.
    """
    if len(url) > MAX_URL_LENGTH or not _URL.fullmatch(url) or set('\\"<>^`{|}') & set(url):
        raise BadUrl(f"A URL has at most {MAX_URL_LENGTH} characters, which are those of RFC 3986.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrl("The URL's host or port cannot be read.") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not _HOST.fullmatch(parts.hostname) or port == 0:
        raise BadUrl("A URL begins with https:// and the name of a host.")
    if "@" in parts.netloc or "#" in url:
        raise BadUrl("A URL contains no credentials and no fragment.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        is_secure=parts.scheme == "https",
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        authority=parts.netloc,
        path=path,
    )


def resolve(host: str, port: int, *, seconds: float) -> list[str]:
    """Return the addresses of a host, asked for once. Raises `Unreachable` when there is no answer in `seconds`."""
    # The resolver has no timeout of its own that could be set: it runs in a thread that may outlast the wait.
    if not _lookups.acquire(blocking=False):
        raise Unreachable("Too many names are being resolved.")
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answers), name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise Unreachable("The host's name was not resolved in time.") from None
    if isinstance(answer, Exception):
        raise Unreachable("The host's name cannot be resolved.") from answer
    return answer


def _look_up(host: str, port: int, answers: "queue.SimpleQueue[list[str] | Exception]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answers.put([str(address[0]) for *_, address in found])
    except (OSError, UnicodeError) as error:
        answers.put(error)
    finally:
        _lookups.release()


def allowed(addresses: Sequence[str]) -> list[str]:
    """Return the first `MAX_ADDRESSES` of these that may be connected to. Raises `Unreachable` when there is none."""
    chosen = [address for address in dict.fromkeys(addresses) if is_allowed(address)][:MAX_ADDRESSES]
    if not chosen:
        raise Unreachable("The host has no public address, and none in OUTGOING_ALLOWED_NETWORKS.")
    return chosen


def is_allowed(text: str) -> bool:
    """Say whether an address may be connected to; loopback addresses may be in local mode."""
    try:
        written = ipaddress.ip_address(text)
    except ValueError:
        # Such as a link-local address with its zone.
        return False
    address = _reached(written)
    if any(address in network or written in network for network in settings.OUTGOING_ALLOWED_NETWORKS):
        return True
    return _is_public(address) or (settings.LOCAL_MODE and address.is_loopback)


def literal(host: str) -> str | None:
    """Return the address that a host is written as, also as one number or with hexadecimal parts; None for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_global and address in _ALLOCATED
    return address.is_global and not address.is_multicast


def _reached(address: Address) -> Address:
    """Return the address that answers: the IPv4 address inside a mapped, a 6to4 or a NAT64 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _IPV4_MASK)
    return address.ipv4_mapped or address.sixtofour or address
