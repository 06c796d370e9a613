"""Refunds of paid orders that staff ask for: whole or in part, with or without putting units back on sale."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from checkout import orders
from checkout.models import Order
from flashsale.core import acting, clock, money
from flashsale.core.refusals import InvalidRequest, NotFound, Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from payments import payment_records
from payments.models import Payment, RefundRequest
from payments.refunds.refusals import RefundChanged

# The verdict on the event whose payment bought an order.
BOUGHT = "order_paid"


class NothingToRefund(Refusal):
    code = "nothing_to_refund"
    title = "Nothing is left to refund"


@retrying_transaction_once
def request(
    order_id: UUID,
    *,
    amount: Decimal | None = None,
    restock_units: int = 0,
    staff: Any,
    note: str,
    payment: Payment | None = None,
    already_done: bool = False,
    expected_left: Decimal | None = None,
    expected_restocked: int | None = None,
) -> RefundRequest:
    """Make `amount` of a paid order's payment due for refund, and put `restock_units` of its units back on sale.

    `amount` is in units of the payment's currency: by default all that is left of it, 0 to put units back only.
    `payment` is the one that bought the order unless another of its payments is given. `already_done` records the
    money at once as given back by other means, as `mark_refunded` does. With `expected_left`, what the caller has seen
    to be left, nothing is done when that has changed; with `expected_restocked`, the units that the caller has seen to
    be put back already, no more are put back when others were. `staff` is None when an API token asks. `note` says why;
    it is not empty.

    Raises `NotFound`, `OrderNotPaid`, `RestockTooLarge`, `RefundChanged`, `RefundTooLarge`, `NothingToRefund`, and
    `InvalidRequest` for an amount that its currency cannot express and for negative numbers.
    """
    _check_units(restock_units)
    order = orders.lock(order_id)
    if restock_units and expected_restocked not in (None, order.restocked_units):
        back = f"{order.restocked_units} of the order's {order.quantity} units"
        raise RefundChanged(f"Units were put back on sale meanwhile: now {back}.")
    # Its UPDATE of the stock is sent with the COMMIT, after the payment is locked: a payment of an order is locked by
    # transactions only that have locked the order, so that none can wait for it while it holds the stock.
    orders.restock(order, units=restock_units)
    locked = payment_records.lock(_payment_of(order, payment))
    if expected_left not in (None, locked.amount_left):
        left = money.written(locked.amount_left, locked.currency)
        raise RefundChanged(f"Another refund was made meanwhile; {left} are left.")
    wanted = _amount_of(locked, amount, restock_units=restock_units)
    if wanted:
        payment_records.request_refund(locked, amount=wanted)
    if wanted and already_done:
        payment_records.record_refund_by_other_means(locked, amount=wanted, staff=staff, note=note)
    return RefundRequest.objects.create(
        payment=locked,
        amount=wanted,
        restocked_units=restock_units,
        by_other_means=already_done and wanted > 0,
        requested_by=staff,
        requested_by_token=acting.token_name(),
        note=note,
        created_at=clock.now(),
    )


def bought_with(order: Order) -> Payment | None:
    """Return the payment that bought an order; None for an order that was never paid."""
    return next((payment for payment in order.payments.all() if payment.event.reason == BOUGHT), None)


def _payment_of(order: Order, payment: Payment | None) -> Payment:
    """Return the order's payment to refund. Raises `NotFound` for one that is not its own."""
    chosen = bought_with(order) if payment is None else payment
    if chosen is None or chosen.order_id != order.pk:
        raise NotFound("The order has no such payment.")
    return chosen


def _amount_of(payment: Payment, amount: Decimal | None, *, restock_units: int) -> Decimal:
    """Return how much to refund of a locked payment: 0 only when units are put back.

    Raises `NothingToRefund`, `RefundTooLarge`, `InvalidRequest`.
    """
    wanted = payment.amount_left if amount is None else amount
    if not wanted.is_finite() or wanted < 0:
        raise _invalid("amount", "An amount is 0 or more.", "min_value")
    if amount is not None and money.is_currency(payment.currency) and not money.fits(wanted, payment.currency):
        decimals = money.exponent_of(payment.currency)
        raise _invalid(
            "amount", f"An amount in {payment.currency} has at most {decimals} decimals.", "max_decimal_places"
        )
    if wanted > payment.amount_left:
        raise payment_records.RefundTooLarge(payment)
    if not wanted and not restock_units:
        raise NothingToRefund("An amount of 0 and no units were asked for." if payment.amount_left else "")
    return wanted


def _check_units(units: int) -> None:
    if units < 0:
        raise _invalid("restock_units", "The number of units is 0 or more.", "min_value")


def _invalid(member: str, detail: str, error_code: str) -> InvalidRequest:
    return InvalidRequest(detail, pointer=f"#/{member}", error_code=error_code)
