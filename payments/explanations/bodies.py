"""The raw bodies of events, readable: JSON is indented, and nothing that it says is changed."""

import json
from typing import Any


def readable(text: str) -> str:
    """Return a JSON text indented; as it stands where it is no JSON, or JSON that Python would write differently."""
    try:
        parsed = json.loads(text, object_pairs_hook=_distinct, parse_float=_as_written, parse_constant=_refused)
        indented = json.dumps(parsed, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    # JSON can escape half of a surrogate pair, which no encoding has.
    return indented.encode(errors="backslashreplace").decode()


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises `ValueError` when two of its members have one name."""
    if len(dict(members)) != len(members):
        raise ValueError("two members have one name")
    return dict(members)


def _as_written(number: str) -> float:
    """Return a number. Raises `ValueError` when Python writes it differently."""
    if repr(float(number)) != number:
        raise ValueError("this number would be written differently")
    return float(number)


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
