"""The copies of one process: a read is a few dictionary look-ups and reads of the clock, without a lock.

Two things make a copy usable. It has not expired (one second after its read from PostgreSQL began), and the
subscription is live: Valkey answered a PING that was sent less than `LIVE_SECONDS` ago, after everything that it had
pushed before. Both are compared with the clock by each read, so that a process which was stopped uses neither old
copies nor old pushes when it continues.
"""

import math
import threading
import time
from dataclasses import dataclass
from typing import TypeVar

from catalog.snapshots.answers import Snapshot

# How old the sending of the newest answered PING may be.
LIVE_SECONDS = 1.0
MAX_COPIES = 1_000
# The texts of one answer; longer ones are read from Valkey. Bounds the memory of all copies to some 60 MB.
MAX_TEXT_CHARACTERS = 8_192
# For how long the newest version of a product is remembered: longer than any answer of an older version lives.
VERSION_SECONDS = 10.0
MAX_VERSIONS = 4 * MAX_COPIES

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest version of a product's stock row that this process knows of, and when its columns changed last.

    Times are monotonic, in seconds.
    """

    version: int = -1
    changed_at: float = -math.inf
    seen_at: float = -math.inf


_UNKNOWN = _Newest()


class Copies:
    """The answers that this process keeps. Values are replaced as a whole; the mutex is held by writers alone."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, also in a child process, whose parent may have forked while the mutex was held."""
        self._mutex = threading.Lock()
        self._kept: dict[int, Snapshot] = {}
        self._newest: dict[int, _Newest] = {}
        self._subscribed_at = math.inf
        self._live_until = -math.inf

    def get(self, product_id: int) -> Snapshot | None:
        """Return the copy of a product's answer; None when there is none that may be used."""
        snapshot = self._kept.get(product_id)
        if snapshot is None:
            return None
        now = time.monotonic()
        return snapshot if now < snapshot.expires_at and now < self._live_until else None

    def accept(self, product_id: int, snapshot: Snapshot, *, asked_at: float) -> bool:
        """Keep an answer that Valkey or PostgreSQL was asked for at `asked_at` (monotonic seconds).

        Returns False when this process knows of a later commit, which the answer may not contain. Nothing is kept that
        was asked for before the subscription began: pushes that the answer needs may have been missed.
        """
        with self._mutex:
            newest = self._newest_of(product_id)
            if snapshot.version < newest.version or asked_at <= newest.changed_at:
                return False
            self._remember(product_id, snapshot.version, newest.changed_at)
            if asked_at > self._subscribed_at and _is_small(snapshot) and self._is_later(product_id, snapshot):
                _put(self._kept, product_id, snapshot, limit=MAX_COPIES)
            return True

    def write_through(self, product_id: int, *, version: int, total: int, free: int) -> None:
        """Write the counters of a commit into the copy, unless it knows them or later ones."""
        with self._mutex:
            newest = self._newest_of(product_id)
            if version <= newest.version:
                return
            self._remember(product_id, version, newest.changed_at)
            snapshot = self._kept.get(product_id)
            if snapshot is None or version <= snapshot.version:
                return
            if snapshot.tracks_stock:
                self._kept[product_id] = snapshot.with_counters(version=version, total=total, free=free)
            else:
                del self._kept[product_id]

    def invalidate(self, product_id: int) -> None:
        """Delete the copy: columns of the product changed. Answers asked for until now are not accepted."""
        with self._mutex:
            self._kept.pop(product_id, None)
            self._remember(product_id, self._newest_of(product_id).version, time.monotonic())

    def begin(self) -> None:
        """Keep answers from now on: all later pushes will arrive."""
        with self._mutex:
            self._kept.clear()
            self._subscribed_at = time.monotonic()

    def confirm(self, *, sent_at: float) -> None:
        """Use copies until `LIVE_SECONDS` after `sent_at` (monotonic), when the PING was sent that is answered now."""
        self._live_until = sent_at + LIVE_SECONDS

    def end(self) -> None:
        """Delete the copies, and keep none: pushes may be missed from now on. Versions are still remembered."""
        self._live_until = -math.inf
        with self._mutex:
            self._kept.clear()
            self._subscribed_at = math.inf

    def _newest_of(self, product_id: int) -> _Newest:
        newest = self._newest.get(product_id, _UNKNOWN)
        return newest if time.monotonic() < newest.seen_at + VERSION_SECONDS else _UNKNOWN

    def _remember(self, product_id: int, version: int, changed_at: float) -> None:
        _put(self._newest, product_id, _Newest(version, changed_at, time.monotonic()), limit=MAX_VERSIONS)

    def _is_later(self, product_id: int, snapshot: Snapshot) -> bool:
        kept = self._kept.get(product_id)
        return kept is None or (kept.version, kept.expires_at) < (snapshot.version, snapshot.expires_at)


def _put(values: dict[int, Value], product_id: int, value: Value, *, limit: int) -> None:
    """Set a value; beyond the limit the one that was set longest ago is deleted."""
    values.pop(product_id, None)
    values[product_id] = value
    if len(values) > limit:
        del values[next(iter(values))]


def _is_small(snapshot: Snapshot) -> bool:
    return sum(len(value) for value in snapshot.members.values() if isinstance(value, str)) <= MAX_TEXT_CHARACTERS


copies = Copies()
