"""A call to a higher layer: orders are being created, so apply the payment events that arrived before them.

Checkout does not import payments, which registers one function here when the apps are ready.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from checkout.models import Order
from checkout.orders.requests import OrderRequest
from flashsale.core.refusals import Refusal
from flashsale.core.statements import Query

# Applies the parked events of an order that has just been created.
ApplyEarlyEvents = Callable[[Order], None]
# Its result has for each request a function that applies the early events of its order, None, or a refusal.
EarlyEventsQuery = Query[Sequence[ApplyEarlyEvents | Refusal | None]]
# Returns what locks the early events of these orders: sent inside the transaction that creates them, after the locks on
# references and before any other row lock.
CreationHook = Callable[[Sequence[OrderRequest]], EarlyEventsQuery]


def _no_early_events(requests: Sequence[OrderRequest]) -> EarlyEventsQuery:
    return Query([], lambda _: [None] * len(requests))


@dataclass
class _Registration:
    hook: CreationHook = _no_early_events


_registration = _Registration()


def register_creation_hook(hook: CreationHook) -> None:
    """Let `hook` take part in the creation of every order."""
    _registration.hook = hook


def early_events_query(requests: Sequence[OrderRequest]) -> EarlyEventsQuery:
    """Call the registered hook; without one there are no early events."""
    return _registration.hook(requests)
