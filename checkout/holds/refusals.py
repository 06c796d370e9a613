"""Why a hold cannot be used any more."""

from datetime import datetime

from checkout.models import Hold
from flashsale.core.refusals import NotFound, Refusal

NO_SUCH_HOLD = "There is no such hold."


class HoldExpired(Refusal):
    code = "hold_expired"
    title = "Hold has expired"


class HoldReleased(Refusal):
    code = "hold_released"
    title = "Hold was released"


class HoldAlreadyUsed(Refusal):
    """Carries `order_id`, the order that was made of the hold."""

    code = "hold_already_used"
    title = "Hold was already used"


class StaleHoldError(RuntimeError):
    """A locked hold was not active although it was read as active: a fault of this program, everything was undone."""


def refusal_to_convert(hold: Hold | None, *, now: datetime) -> Refusal | None:
    """Return why a locked hold cannot become an order at `now`; None when it can."""
    if hold is None:
        return NotFound(NO_SUCH_HOLD)
    status = hold.status_at(now)
    if status == Hold.Status.CONVERTED:
        return HoldAlreadyUsed(order_id=hold.order.pk)
    if status == Hold.Status.RELEASED:
        return HoldReleased()
    if status == Hold.Status.EXPIRED:
        return HoldExpired()
    return None
