"""Strict JSON (RFC 8259, I-JSON: RFC 7493): nothing is coerced, and duplicate keys are refused."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

MAX_DEPTH = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class InvalidJson(ValueError):
    """The bytes are not one JSON text; the message says why and quotes none of it."""


def loads(raw: bytes) -> Any:
    """Parse UTF-8 JSON; numbers with a fraction or exponent become `Decimal`.

    Integers too long for Python's conversion limit become `Decimal` too, and numbers beyond its range an infinite
    `Decimal`: no field accepts either. Raises `InvalidJson` for anything else: other encodings, NaN and Infinity, a key
    given twice in one object, nesting deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_decimal,
            parse_int=_integer,
        )
    except InvalidJson:
        raise
    except UnicodeDecodeError as error:
        raise InvalidJson("The body is not valid UTF-8.") from error
    except json.JSONDecodeError as error:
        raise InvalidJson(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except RecursionError as error:
        raise InvalidJson(f"The body is nested deeper than {MAX_DEPTH} levels.") from error
    _check_depth(value)
    return value


def is_storable(text: str) -> bool:
    """Say whether PostgreSQL can store the text: no NUL and no lone surrogate."""
    return _UNSTORABLE.search(text) is None


def all_text_is_storable(value: Any) -> bool:
    """Say whether every key and string within a parsed value is storable."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if not is_storable(item):
                return False
        elif isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJson("The body gives a key twice in one object.")
    return members


def _integer(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        # Longer than Python's conversion limit.
        return Decimal(digits)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"The body holds {name}, which is not JSON.")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise InvalidJson(f"The body is nested deeper than {MAX_DEPTH} levels.")
