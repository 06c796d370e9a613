"""Endpoints of the shop's back end: where they may stand, how they are registered, and whether they work."""

from flashsale.outbox.endpoints.registering import (
    MAX_ENDPOINTS,
    TooManyEndpoints,
    change,
    create,
    delete,
    disable,
    lock,
    present,
    rotate_secret,
)

__all__ = [
    "MAX_ENDPOINTS",
    "TooManyEndpoints",
    "change",
    "create",
    "delete",
    "disable",
    "lock",
    "present",
    "rotate_secret",
]
