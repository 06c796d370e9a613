"""A call to a higher layer: orders are being created, so apply the payment events that arrived before them.

Checkout does not import payments, which registers one function here when the apps are ready.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from checkout.models import Order
from checkout.orders.requests import OrderRequest
from flashsale.core.refusals import Refusal

# Applies the parked events of an order that has just been created.
ApplyEarlyEvents = Callable[[Order], None]
# Called inside the transaction that creates orders, after the locks on references and before any row lock: locks the
# early events of these orders; returns for each request a function that applies them, None, or a refusal.
CreationHook = Callable[[Sequence[OrderRequest]], Sequence[ApplyEarlyEvents | Refusal | None]]


def _no_early_events(requests: Sequence[OrderRequest]) -> Sequence[ApplyEarlyEvents | Refusal | None]:
    return [None] * len(requests)


@dataclass
class _Registration:
    hook: CreationHook = _no_early_events


_registration = _Registration()


def register_creation_hook(hook: CreationHook) -> None:
    """Let `hook` take part in the creation of every order."""
    _registration.hook = hook


def lock_early_events(requests: Sequence[OrderRequest]) -> Sequence[ApplyEarlyEvents | Refusal | None]:
    """Call the registered hook; without one there are no early events."""
    return _registration.hook(requests)
