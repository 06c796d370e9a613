"""The client's address: the same however proxies and servers spell it, and never another client's."""

import ast

import pytest
from django.test import RequestFactory

from flashsale.core.rest.client_address import UNKNOWN, address_of
from flashsale.tests.support.processes import PROJECT

READS_ADDRESSES = "flashsale/core/rest/client_address.py"
# Writes the address that the server gives into the environment, where the other module reads it.
WRITES_ADDRESSES = "flashsale/web/environ.py"

SPELLINGS = [
    ("203.0.113.7", "203.0.113.7"),
    ("203.0.113.7:1234", "203.0.113.7"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("::FFFF:CB00:7107", "203.0.113.7"),
    ("[::ffff:203.0.113.7]:1234", "203.0.113.7"),
    ("64:ff9b::203.0.113.7", "203.0.113.7"),
    ('"203.0.113.7:1234"', "203.0.113.7"),
    (" 203.0.113.7 ", "203.0.113.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ("2001:DB8:1:2::1", "2001:db8:1:2::"),
    ("[2001:db8:1:2::1]", "2001:db8:1:2::"),
    ("[2001:db8:1:2::1]:443", "2001:db8:1:2::"),
    ('"[2001:db8:1:2::1]:443"', "2001:db8:1:2::"),
    ("fe80::1%eth0", "fe80::"),
    ("[fe80::1%eth0]:443", "fe80::"),
    ("", UNKNOWN),
    ("unknown", UNKNOWN),
    ("_hidden:80", UNKNOWN),
    ("203.0.113.7:port", UNKNOWN),
    ("203.0.113.7:123456", UNKNOWN),
    ("203.0.113.256", UNKNOWN),
    ("203.0.113.07", UNKNOWN),
    ("[203.0.113.7", UNKNOWN),
    ("[]", UNKNOWN),
    ("2001:db8::1]:443", UNKNOWN),
    ("2001:db8:::1", UNKNOWN),
    ("203.0.113.7\x00", UNKNOWN),
    ("1" * 100_000, UNKNOWN),
]


@pytest.mark.parametrize(("text", "expected"), SPELLINGS)
def test_every_spelling_of_a_servers_client_address_is_parsed(settings, text, expected):
    settings.TRUSTED_PROXIES = 0

    assert address_of(RequestFactory().get("/", REMOTE_ADDR=text)) == expected


@pytest.mark.parametrize(("text", "expected"), [pair for pair in SPELLINGS if pair[0].strip()])
@pytest.mark.parametrize("proxies", [1, 2])
def test_every_spelling_of_a_trusted_proxy_is_parsed(settings, proxies, text, expected):
    settings.TRUSTED_PROXIES = proxies
    forwarded = ", ".join(["6.6.6.6", text, *["10.0.0.1:80"] * (proxies - 1)])

    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR="192.0.2.1")

    assert address_of(request) == expected


def test_without_trusted_proxies_x_forwarded_for_is_ignored(settings):
    settings.TRUSTED_PROXIES = 0
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.9", REMOTE_ADDR="::ffff:192.0.2.1")

    assert address_of(request) == "192.0.2.1"


def addresses_read_in(source: str) -> set[str]:
    """Return the names of a request's address that a module reads."""
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return {text for text in texts if text in {"REMOTE_ADDR", "X-Forwarded-For", "HTTP_X_FORWARDED_FOR", "Forwarded"}}


def test_only_one_module_reads_client_addresses():
    modules = [
        path for app in ("flashsale", "catalog", "checkout", "payments") for path in (PROJECT / app).rglob("*.py")
    ]
    outside = [
        path
        for path in modules
        if "tests" not in path.parts and str(path.relative_to(PROJECT)) not in (READS_ADDRESSES, WRITES_ADDRESSES)
    ]

    assert [path for path in outside if addresses_read_in(path.read_text())] == []
    assert addresses_read_in((PROJECT / READS_ADDRESSES).read_text())
