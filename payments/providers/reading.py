"""How providers' modules read members that anything may be in."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from checkout.models import PAYMENT_ID_LENGTH
from flashsale.core import money, strict_json
from flashsale.core.identifiers import parse_uuid
from payments.models import EVENT_ID_LENGTH, TYPE_LENGTH
from payments.providers.base import UnusableBody

_DECIMAL = re.compile(rf"[0-9]{{1,{money.MAX_DIGITS - money.DECIMAL_PLACES}}}(\.[0-9]{{1,9}})?", re.ASCII)


def members_of(body: bytes) -> dict[str, Any]:
    """Return the members of the JSON object in the body; raises `UnusableBody`."""
    try:
        members = strict_json.loads(body)
    except strict_json.InvalidJson as error:
        raise UnusableBody(str(error)) from error
    if not isinstance(members, dict):
        raise UnusableBody("The body must be a JSON object.")
    return members


def event_id_of(given: Any, *, pointer: str) -> str:
    """Return the event's id; raises `UnusableBody` for what cannot be one."""
    if not _is_text(given, EVENT_ID_LENGTH):
        raise UnusableBody(
            f"An event needs an id: a string of 1 to {EVENT_ID_LENGTH} characters without NUL.", pointer=pointer
        )
    return given


def type_of(given: Any) -> str:
    """Return the provider's own name for what happened, as far as it can be stored."""
    return str(given)[:TYPE_LENGTH].encode(errors="replace").decode().replace("\x00", "?")


def plain(amount: Decimal | None) -> str | None:
    """Write equal amounts equally: 59.98 and "59.980" say the same."""
    return None if amount is None else f"{amount:.{money.DECIMAL_PLACES}f}"


class Reader:
    """Reads members; one that is given but cannot be used is None and remembered in `unusable` as it was given."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members
        self.unusable: dict[str, str] = {}

    @property
    def first_unusable(self) -> str:
        """The name of the first member that could not be used, or ""."""
        return next(iter(self.unusable), "")

    def uuid(self, name: str) -> UUID | None:
        """Return a UUID member."""
        given = self._members.get(name)
        return self.checked(name, given, parse_uuid(given) if isinstance(given, str) else None)

    def text(self, name: str, *, max_length: int) -> str | None:
        """Return a text member of 1 to `max_length` characters."""
        given = self._members.get(name)
        return self.checked(name, given, given if _is_text(given, max_length) else None)

    def payment_id(self, *names: str) -> str | None:
        """Return the payment's id under any of its names; names that differ cannot be used."""
        given = [self._members[name] for name in names if self._members.get(name) is not None]
        if not given:
            return None
        is_usable = _is_text(given[0], PAYMENT_ID_LENGTH) and all(other == given[0] for other in given)
        return self.checked(names[0], given, given[0] if is_usable else None)

    def amount(self, name: str) -> Decimal | None:
        """Return a positive amount, given as a number or as decimal text."""
        given = self._members.get(name)
        is_number = isinstance(given, (int, Decimal)) and not isinstance(given, bool)
        is_decimal_text = isinstance(given, str) and _DECIMAL.fullmatch(given)
        return self.checked(name, given, money.as_stored(Decimal(given)) if is_number or is_decimal_text else None)

    def minor_units(self, name: str, *, exponent: int) -> Decimal | None:
        """Return a positive amount, given as an integer of units of 10 to the minus `exponent`."""
        given = self._members.get(name)
        is_usable = type(given) is int and 0 < given < money.MAX_AMOUNT
        return self.checked(name, given, money.as_stored(Decimal(given).scaleb(-exponent)) if is_usable else None)

    def currency(self, name: str) -> str:
        """Return an ISO 4217 code in upper case, or ""."""
        given = self._members.get(name)
        code = given.upper() if isinstance(given, str) and given.isascii() else ""
        return self.checked(name, given, code if money.is_currency(code) else None) or ""

    def checked(self, name: str, given: Any, value: Any) -> Any:
        """Return the value; None for something given is remembered as unusable."""
        if given is not None and value is None:
            self.unusable[name] = repr(given)
        return value


def _is_text(given: Any, max_length: int) -> bool:
    return isinstance(given, str) and 1 <= len(given) <= max_length and strict_json.is_storable(given)
