"""The client's address: read in this one place for rate limits, log-ins and logs.

Proxies and servers write one address in several ways: with a port, in brackets, with a zone, or an IPv4 address inside
an IPv6 one. All spellings of an address are the same client; clients whose address cannot be parsed share one quota.
"""

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

# An IPv6 customer has a network of at least this size, and can use any of its addresses.
IPV6_PREFIX = 64
UNKNOWN = "unknown"
# RFC 6052, section 2.1: the addresses that an IPv6-only server sees for IPv4 clients behind a NAT64 translator.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# RFC 7239, section 6: an IPv6 address with a port stands in brackets; a port is up to five digits.
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::\d{1,5})?")
_IPV4_WITH_PORT = re.compile(r"([^:]*):\d{1,5}")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_of(request: HttpRequest) -> str:
    """Return the client's address; for IPv6 its network; `UNKNOWN` where the text is no address.

    Of `X-Forwarded-For` only the last `TRUSTED_PROXIES` entries are trusted: each proxy appends the address that called
    it, and entries before those come from the client.
    """
    text = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        text = hops[-min(settings.TRUSTED_PROXIES, len(hops))] or text
    address = parse(text)
    if address is None:
        return UNKNOWN
    if address.version == 6:
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False).network_address)
    return str(address)


def parse(text: str) -> Address | None:
    """Return the address that `text` spells, without port, brackets, quotes and zone; None where it is none.

    An IPv4 address inside an IPv6 one (mapped, RFC 4291, section 2.5.5.2, or translated, RFC 6052) is the IPv4 address.
    """
    text = text.strip().removeprefix('"').removesuffix('"')
    match = _BRACKETED.fullmatch(text) or _IPV4_WITH_PORT.fullmatch(text)
    host, _, _zone = (match[1] if match else text).partition("%")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return address if address.version == 4 else _inner_ipv4(address) or address


def _inner_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
