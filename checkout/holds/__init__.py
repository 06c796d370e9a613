"""Holds: units set aside for one buyer until a deadline."""

from checkout.holds.batching import submit
from checkout.holds.ending import convert, expire_due, reclaim, release, revoke
from checkout.holds.locking import lock, locking_query
from checkout.holds.placing import place, place_batch
from checkout.holds.reading import HoldView, get
from checkout.holds.refusals import (
    HoldAlreadyUsed,
    HoldExpired,
    HoldReleased,
    StaleHoldError,
    refusal_to_convert,
)
from checkout.holds.requests import HoldRequest

__all__ = [
    "HoldAlreadyUsed",
    "HoldExpired",
    "HoldReleased",
    "HoldRequest",
    "HoldView",
    "StaleHoldError",
    "convert",
    "expire_due",
    "get",
    "lock",
    "locking_query",
    "place",
    "place_batch",
    "reclaim",
    "refusal_to_convert",
    "release",
    "revoke",
    "submit",
]
