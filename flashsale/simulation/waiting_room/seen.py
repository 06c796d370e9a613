"""What the clients of a queue saw: its pages, their tickets and places, and answers that no client should get."""

import enum
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(enum.StrEnum):
    """How a simulated shopper behaves."""

    BUYER = "buyers"
    RELOADER = "buyers who reload"
    WRONG_CLOCK = "buyers whose clock is an hour wrong"
    SHARER = "pairs who share a ticket"
    ABSENTEE = "absentees"
    FORGER = "forgers"
    BOT = "bots"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A queue's page, as one client saw it."""

    state: str
    serving: float
    seed_hash: str | None
    seed: str | None
    may_return: bool
    server_time: datetime
    poll_in_seconds: float

    @classmethod
    def of(cls, members: dict[str, Any]) -> "Page":
        """Return the page that the shop answered."""
        return cls(
            state=members["state"],
            serving=members["serving"],
            seed_hash=members["seed_hash"],
            seed=members["seed"],
            may_return=members["may_return"],
            server_time=datetime.fromisoformat(members["server_time"]),
            poll_in_seconds=members["poll_in_seconds"],
        )


@dataclass(frozen=True)
class TicketSeen:
    """A ticket and the kind of shopper that holds it: `q1.PRODUCT.ID.MINTED.CUSTOMER.SIGNATURE`."""

    text: str
    kind: Kind

    @property
    def id(self) -> UUID:
        """The part that is drawn."""
        return UUID(self.text.split(".")[2])

    @property
    def minted_at(self) -> datetime:
        """When it was minted, by the database's clock."""
        return _EPOCH + timedelta(microseconds=int(self.text.split(".")[3]))


@dataclass
class Seen:
    """What all clients of one sale saw.

    `places` has what was answered for each ticket, None (before the draw) left out. `came_at` has the monotonic second
    of a ticket's first request that passed the gate. `early_tries` counts requests with a ticket that was not served
    yet. `faults` counts answers that break a promise, by the promise.
    """

    pages: list[Page] = field(default_factory=list)
    tickets: dict[str, TicketSeen] = field(default_factory=dict)
    places: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    came_at: dict[str, float] = field(default_factory=dict)
    early_tries: int = 0
    forgeries: int = 0
    left_unserved: int = 0
    faults: Counter[str] = field(default_factory=Counter)
