"""Endpoints of the shop's back end: where they may stand, how they are registered, and whether they work."""

from flashsale.outbox.endpoints.registering import (
    MAX_ENDPOINTS,
    ROTATION_HOURS,
    TooManyEndpoints,
    change,
    check,
    create,
    delete,
    disable,
    insert,
    lock,
    lock_for_insertion,
    needing_attention,
    present,
    rotate_secret,
    save_edited,
)

__all__ = [
    "MAX_ENDPOINTS",
    "ROTATION_HOURS",
    "TooManyEndpoints",
    "change",
    "check",
    "create",
    "delete",
    "disable",
    "insert",
    "lock",
    "lock_for_insertion",
    "needing_attention",
    "present",
    "rotate_secret",
    "save_edited",
]
