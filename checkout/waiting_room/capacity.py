"""How many buyers a second can start to pay: told by the app above that takes payments."""

from collections.abc import Callable

# Returns buyers a second: 0 while payments fail, None where there is no limit that is known.
PaymentCapacity = Callable[[], float | None]

_capacities: list[PaymentCapacity] = []


def register(capacity: PaymentCapacity) -> None:
    """Let `capacity` bound the rate of admission; called when the apps are ready. It may query the database."""
    _capacities.append(capacity)


def payments_per_second() -> float | None:
    """Return the least of what is registered; None where there is no limit that is known."""
    known = [buyers for capacity in _capacities if (buyers := capacity()) is not None]
    return min(known, default=None)
