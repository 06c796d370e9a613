"""Why an order cannot be placed, paid or cancelled."""

from flashsale.core.refusals import Refusal

NO_SUCH_ORDER = "There is no such order."


class PaymentIdInUse(Refusal):
    code = "payment_id_in_use"
    title = "Another order has this payment id"


class OrderAlreadyPaid(Refusal):
    code = "order_already_paid"
    title = "Order is already paid"


class OrderNotPending(Refusal):
    """The order is cancelled or expired."""

    code = "order_not_pending"
    title = "Order is not pending"


class OrderNotPaid(Refusal):
    code = "order_not_paid"
    title = "Order is not paid"


class RestockTooLarge(Refusal):
    """Carries `quantity`, and `restocked`: the units that were put back before."""

    code = "restock_too_large"
    title = "More units than the order still has"

    def __init__(self, *, quantity: int, restocked: int) -> None:
        left = quantity - restocked
        super().__init__(
            f"Only {left} of the order's {quantity} units can still be put back.",
            quantity=quantity,
            restocked=restocked,
        )


class StaleOrderError(RuntimeError):
    """A locked order did not have the status it was read with: a fault of this program, everything was undone."""
