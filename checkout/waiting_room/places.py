"""Places in a queue: drawn ones in [0, 1), later ones from 1 on."""

import hashlib
import hmac
from datetime import datetime

from checkout.waiting_room.tickets import Ticket

# A double holds so many bits exactly.
PLACE_BITS = 52
_DIGEST_BITS = 256


def drawn_place(seed: str, name: str) -> float:
    """Return the place that a seed draws for a ticket or customer id: in [0, 1), uniform, known to none before.

    It is the first 52 bits of HMAC-SHA256 (RFC 2104), keyed with the seed's text, of the id's text, over 2^52.
    """
    digest = hmac.digest(seed.encode(), name.encode(), hashlib.sha256)
    return float((int.from_bytes(digest, "big") >> (_DIGEST_BITS - PLACE_BITS)) / 2**PLACE_BITS)


def late_place(minted_at: datetime, *, drawn_at: datetime) -> float:
    """Return the place of a ticket that was minted after the draw: 1, and the seconds since then."""
    return 1.0 + max(0.0, (minted_at - drawn_at).total_seconds())


def place_of(ticket: Ticket, *, seed: str | None, drawn_at: datetime | None) -> float | None:
    """Return a ticket's place; None before the draw. Without a seed there was no draw: places follow time."""
    if drawn_at is None:
        return None
    if seed is not None and ticket.minted_at < drawn_at:
        return drawn_place(seed, ticket.drawn_name)
    return late_place(ticket.minted_at, drawn_at=drawn_at)
