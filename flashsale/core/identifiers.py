"""Identifiers as callers write them: in their one canonical spelling, nothing is coerced."""

import re
import uuid

from flashsale.core.limits import MAX_ID

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_HEX_UUID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_UUID_START = re.compile(r"[0-9a-f]{8,32}", re.ASCII | re.IGNORECASE)
_UUID_DIGITS = 32
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def parse_uuid(text: str) -> uuid.UUID | None:
    """Return the UUID written in the canonical 8-4-4-4-12 form (RFC 9562), or None for anything else."""
    return uuid.UUID(text) if _UUID.fullmatch(text) else None


def parse_hex_uuid(text: str) -> uuid.UUID | None:
    """Return the UUID written as 32 lower-case hexadecimal digits, or None for anything else."""
    return uuid.UUID(text) if _HEX_UUID.fullmatch(text) else None


def parse_id(text: str) -> int | None:
    """Return the positive integer id written in plain decimal digits, or None for anything else."""
    value = int(text) if _ID.fullmatch(text) else MAX_ID + 1
    return value if value <= MAX_ID else None


def short(identifier: uuid.UUID) -> str:
    """Return the first eight digits of a UUID, by which people call it on pages that have the whole one too."""
    return identifier.hex[:8]


def uuid_range(text: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """Return the smallest and the largest UUID that begin with these digits, at least eight; None for other text.

    Hyphens do not count.
    """
    digits = text.replace("-", "")
    if not _UUID_START.fullmatch(digits):
        return None
    return uuid.UUID(digits.ljust(_UUID_DIGITS, "0")), uuid.UUID(digits.ljust(_UUID_DIGITS, "f"))
