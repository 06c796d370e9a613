"""Parameters of requests: form-encoded names such as `metadata[order_id]` and `types[0]`, nested and checked.

Source: https://docs.stripe.com/api/metadata and https://docs.stripe.com/api/errors.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

from flashsale.local_provider.api.errors import invalid

MAX_FIELDS = 1000
MAX_DEPTH = 6
MAX_METADATA_KEYS = 50
MAX_METADATA_KEY_LENGTH = 40
MAX_METADATA_VALUE_LENGTH = 500
MAX_DIGITS = 12
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def fields_of(encoded: str) -> list[tuple[str, str]]:
    """Return the fields of a form or query string, in order. Raises `ApiError`."""
    try:
        return parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise invalid("The parameters cannot be read.", param="") from None


def nested(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the fields as nested dicts and lists. Raises `ApiError`."""
    found: dict[str, Any] = {}
    for number, (name, value) in enumerate(fields):
        match = _NAME.fullmatch(name)
        keys = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])] if match else []
        if not 0 < len(keys) <= MAX_DEPTH:
            raise invalid(f"Invalid parameter name: {name}", param=name)
        _put(found, [key or str(number) for key in keys], value, name)
    return {name: _with_lists(value) for name, value in found.items()}


def _put(found: dict[str, Any], keys: list[str], value: str, name: str) -> None:
    *parents, last = keys
    for key in parents:
        found = found.setdefault(key, {})
        if not isinstance(found, dict):
            raise invalid(f"Invalid parameter: {name}", param=name)
    found[last] = value


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {key: _with_lists(item) for key, item in value.items()}
    if items and all(key.isascii() and key.isdigit() for key in items):
        return [items[key] for key in sorted(items, key=int)]
    return items


def check_names(params: Mapping[str, Any], allowed: Collection[str]) -> None:
    """Raise `ApiError` for a parameter that the endpoint does not know."""
    for name in params:
        if name not in allowed:
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")


def required(params: Mapping[str, Any], name: str) -> Any:
    """Return a parameter; raises `ApiError` when it is missing or empty."""
    value = params.get(name)
    if value in (None, ""):
        raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    return value


def whole(value: Any, *, name: str, least: int, most: int) -> int:
    """Return a whole number between the bounds; raises `ApiError`."""
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS):
        raise invalid(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    if not least <= int(value) <= most:
        raise invalid(f"{name} must be between {least} and {most}.", param=name, code="parameter_invalid_integer")
    return int(value)


def text(value: Any, *, name: str) -> str:
    """Return a string; raises `ApiError` for anything nested."""
    if not isinstance(value, str):
        raise invalid("Invalid string", param=name)
    return value


def choice(value: Any, *options: str, name: str) -> str:
    """Return one of the options; raises `ApiError`."""
    if value not in options:
        raise invalid(f"Invalid {name}: must be one of {', '.join(options)}", param=name)
    return str(value)


def mapping(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a nested parameter, empty when absent; raises `ApiError`."""
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise invalid("Invalid object", param=name)
    return value


def metadata(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata; an empty value unsets its key. Raises `ApiError`."""
    values = params.get("metadata") or {}
    if isinstance(values, list):
        values = {str(number): value for number, value in enumerate(values)}
    if not isinstance(values, dict) or len(values) > MAX_METADATA_KEYS:
        raise invalid(f"Metadata has at most {MAX_METADATA_KEYS} keys.", param="metadata")
    for key, value in values.items():
        if len(key) > MAX_METADATA_KEY_LENGTH or len(text(value, name=f"metadata[{key}]")) > MAX_METADATA_VALUE_LENGTH:
            raise invalid("A key or value of the metadata is too long.", param=f"metadata[{key}]")
    return {key: value for key, value in values.items() if value}


def times(params: Mapping[str, Any], name: str = "created") -> dict[str, int]:
    """Return the bounds of a time in seconds since 1970, by operator (`gte`, `gt`, `lte`, `lt`). Raises `ApiError`."""
    value = params.get(name)
    if value is None:
        return {}
    bounds = value if isinstance(value, dict) else {"gte": value, "lte": value}
    if not set(bounds) <= {"gte", "gt", "lte", "lt"}:
        raise invalid(f"Invalid {name}", param=name)
    return {sign: whole(bound, name=f"{name}[{sign}]", least=0, most=10**11) for sign, bound in bounds.items()}
