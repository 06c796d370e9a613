"""What was paid for an order and given back, by currency: of the payment that bought it, and of its other payments."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal

from checkout.models import Order
from checkout.order_money import OrderMoney
from flashsale.core import money
from payments import refunds
from payments.models import Payment

NOTHING = "nothing was given back"


def read(order: Order) -> OrderMoney:
    """Return an order's money in words, for the admin."""
    payments = list(order.payments.all())
    own = refunds.bought_with(order)
    others = [payment for payment in payments if payment != own]
    return OrderMoney(
        paid="" if own is None else money.written(own.amount, own.currency),
        back=_back_of(own, others),
        label=_label_of(own, others),
        given_back=_written(payments, lambda payment: payment.refunded_amount),
    )


def _back_of(own: Payment | None, others: list[Payment]) -> str:
    of_own = "" if own is None else _part_of([own]) or NOTHING
    if not others:
        return of_own
    paid = _written(others, lambda payment: payment.amount)
    name = "another payment" if len(others) == 1 else f"{len(others)} other payments"
    which = f"{name} of {paid}" if own else f"what was paid ({paid})"
    return "; ".join(text for text in (of_own, f"of {which}, {_part_of(others) or NOTHING}") if text)


def _part_of(payments: list[Payment]) -> str:
    """Return what is due of payments and what was given back, as the rest of a sentence; "" for nothing."""
    due = _written(payments, lambda payment: payment.amount_due)
    back = _written(payments, lambda payment: payment.refunded_amount)
    parts = [f"{due} is due for refund" if due else "", f"{back} was given back" if back else ""]
    return " and ".join(part for part in parts if part)


def _label_of(own: Payment | None, others: list[Payment]) -> tuple[str, str] | None:
    """Return the label: an order is refunded when the payment that bought it is, or, never paid, all that came."""
    if any(payment.amount_due for payment in [*([own] if own else []), *others]):
        return "due", "refund due"
    counted = [own] if own else others
    if counted and all(payment.status == Payment.Status.REFUNDED for payment in counted):
        return "done", "refunded"
    if any(payment.refunded_amount for payment in counted):
        return "done", "partly refunded"
    is_other_back = any(payment.refunded_amount for payment in others)
    return ("done", "other payment refunded") if is_other_back else None


def _written(payments: Iterable[Payment], amount_of: Callable[[Payment], Decimal]) -> str:
    """Return the sum of each currency in words, "" where all are 0."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for payment in payments:
        sums[payment.currency] += amount_of(payment)
    return " and ".join(money.written(amount, currency) for currency, amount in sorted(sums.items()) if amount)
