"""A call to a higher layer: orders leave `pending_payment`, so what was begun to take their money has to end.

Checkout does not import payments, which registers one function here when the apps are ready.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from flashsale.core.statements import Statement
from flashsale.core.transactions import defer_to_commit

# Gets the ids of orders that leave `pending_payment` or are paid late, each with the payment id that paid it or None;
# returns what is sent with the COMMIT of their change.
LeavingHook = Callable[[Sequence[tuple[UUID, str | None]]], Statement]


@dataclass
class _Registration:
    hook: LeavingHook | None = None


_registration = _Registration()


def register_leaving_hook(hook: LeavingHook) -> None:
    """Let `hook` take part in every change of an order's status."""
    _registration.hook = hook


def leave_pending(left: Sequence[tuple[UUID, str | None]]) -> None:
    """Send what the registered hook returns with the COMMIT; without a hook, or without orders, nothing is sent."""
    if _registration.hook is not None and left:
        defer_to_commit(_registration.hook(left))
