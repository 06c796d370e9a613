"""What was paid for an order and given back of it, as the admin tells it.

Payments belong to a higher app, which registers its reader here, so that checkout does not import it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from checkout.models import Order


@dataclass(frozen=True)
class OrderMoney:
    """An order's money in words.

    `paid` is what bought it ("": nothing did), `back` what was given back or is due of it, and of other payments, as
    the rest of a sentence ("": there was no payment). `label` is the state of the refund in two words, with the key
    `due` or `done` (None: there is none), and `given_back` the amounts.
    """

    paid: str = ""
    back: str = ""
    label: tuple[str, str] | None = None
    given_back: str = ""


_readers: list[Callable[[Order], OrderMoney]] = []


def register(read: Callable[[Order], OrderMoney]) -> None:
    """Let an app say what was paid for every order; called when the app is ready."""
    _readers.append(read)


def of(order: Order) -> OrderMoney:
    """Return what was paid for an order and given back; it is read with the order where its payments are prefetched."""
    return next((read(order) for read in _readers), OrderMoney())
