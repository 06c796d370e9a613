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


class StaleOrderError(RuntimeError):
    """A locked order did not have the status it was read with: a fault of this program, everything was undone."""
