"""Times in answers of the API."""

from datetime import datetime


def moment(text: str) -> datetime:
    """Parse a time of an answer; asserts that it is ISO 8601 with an offset."""
    value = datetime.fromisoformat(text)
    assert value.utcoffset() is not None
    return value
