"""Values of a command's options: parsed strictly, and refused in one sentence that names the option."""

from decimal import Decimal, InvalidOperation

import httpx
from django.core.management.base import CommandError

from flashsale.core import strict_json

SHOWN_LENGTH = 40


def amount(text: str, option: str) -> Decimal:
    """Return the finite number in the text; raises `CommandError`."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise CommandError(f"{option} {shown(text)} is not an amount such as 29.99.")
    return value


def storable(text: str, option: str) -> str:
    """Return the text; raises `CommandError` when PostgreSQL cannot store it."""
    if not strict_json.is_storable(text):
        raise CommandError(f"{option} {shown(text)} is not UTF-8 text.")
    return text


def server(url: str, option: str = "--url") -> str:
    """Return the URL; raises `CommandError` when it is not the address of an HTTP server."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise CommandError(f"{option} {shown(url)} is not the address of a server, such as http://127.0.0.1:8000.")
    return url


def shown(text: str) -> str:
    """Return the text quoted, on one line, cut to `SHOWN_LENGTH`."""
    return repr(text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}...")
