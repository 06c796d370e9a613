"""Reads the members of a provider's event, which may hold any JSON."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeGuard, TypeVar
from uuid import UUID

from checkout.models import PAYMENT_ID_LENGTH
from flashsale.core import money, strict_json
from flashsale.core.identifiers import parse_uuid
from payments.models import EVENT_ID_LENGTH, TYPE_LENGTH
from payments.providers.base import UnusableBody

Value = TypeVar("Value")

_DECIMAL = re.compile(rf"[0-9]{{1,{money.MAX_DIGITS - money.DECIMAL_PLACES}}}(\.[0-9]{{1,9}})?", re.ASCII)


# The JSON Schema of an event's id: text that PostgreSQL can store.
EVENT_ID_SCHEMA: dict[str, Any] = {
    "type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$", "maxLength": EVENT_ID_LENGTH,
}  # fmt: skip


def members_of(body: bytes) -> dict[str, Any]:
    """Return the members of the JSON object in the body; raises `UnusableBody`."""
    try:
        members = strict_json.loads(body)
    except strict_json.InvalidJson as error:
        raise UnusableBody(str(error)) from error
    if not isinstance(members, dict):
        raise UnusableBody("The body must be a JSON object.")
    return members


def event_id_of(raw: object, *, pointer: str) -> str:
    """Return the event's id; raises `UnusableBody` for anything that cannot be one."""
    if not _is_text(raw, EVENT_ID_LENGTH):
        raise UnusableBody(
            f"An event needs an id: a string of 1 to {EVENT_ID_LENGTH} characters without NUL.", pointer=pointer
        )
    return raw


def type_of(raw: object) -> str:
    """Return the provider's own name for what happened, as far as it can be stored."""
    return str(raw)[:TYPE_LENGTH].encode(errors="replace").decode().replace("\x00", "?")


def canonical_amount(amount: Decimal | None) -> str | None:
    """Return the same text for equal amounts, such as 59.98 and 59.980."""
    return None if amount is None else f"{amount:.{money.DECIMAL_PLACES}f}"


class Reader:
    """Reads members; one that is present but cannot be used is None, and its `repr` is added to `unusable`."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members
        self.unusable: dict[str, str] = {}

    @property
    def first_unusable(self) -> str:
        """The name of the first member that could not be used, or ""."""
        return next(iter(self.unusable), "")

    def uuid(self, name: str) -> UUID | None:
        """Return a UUID member."""
        raw = self._members.get(name)
        return self.usable(name, raw, parse_uuid(raw) if isinstance(raw, str) else None)

    def text(self, name: str, *, max_length: int) -> str | None:
        """Return a text member of 1 to `max_length` characters."""
        raw = self._members.get(name)
        return self.usable(name, raw, raw if _is_text(raw, max_length) else None)

    def payment_id(self, *names: str) -> str | None:
        """Return the payment's id under any of its names; under names that differ it cannot be used."""
        raw = [self._members[name] for name in names if self._members.get(name) is not None]
        if not raw:
            return None
        first = raw[0]
        is_usable = _is_text(first, PAYMENT_ID_LENGTH) and all(other == first for other in raw)
        return self.usable(names[0], raw, first if is_usable else None)

    def amount(self, name: str) -> Decimal | None:
        """Return a positive amount, written as a number or as decimal text."""
        raw = self._members.get(name)
        is_number = isinstance(raw, (int, Decimal)) and not isinstance(raw, bool)
        is_decimal_text = isinstance(raw, str) and _DECIMAL.fullmatch(raw)
        return self.usable(name, raw, money.as_stored(Decimal(raw or 0)) if is_number or is_decimal_text else None)

    def minor_units(self, name: str, *, exponent: int) -> Decimal | None:
        """Return a positive amount, written as an integer of units of 10 to the minus `exponent`."""
        raw = self._members.get(name)
        if type(raw) is not int or not 0 < raw < money.MAX_AMOUNT:
            return self.usable(name, raw, None)
        return self.usable(name, raw, money.as_stored(Decimal(raw).scaleb(-exponent)))

    def currency(self, name: str) -> str:
        """Return an ISO 4217 code in upper case, or ""."""
        raw = self._members.get(name)
        code = raw.upper() if isinstance(raw, str) and raw.isascii() else ""
        return self.usable(name, raw, code if money.is_currency(code) else None) or ""

    def usable(self, name: str, raw: object, value: Value | None) -> Value | None:
        """Return `value`, read from the member `raw`; record the member as unusable when only `value` is None."""
        if raw is not None and value is None:
            self.unusable[name] = repr(raw)
        return value


def _is_text(raw: object, max_length: int) -> TypeGuard[str]:
    return isinstance(raw, str) and 1 <= len(raw) <= max_length and strict_json.is_storable(raw)
