"""The action with which staff refund a paid order, on the pages of orders and of payments."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from checkout.models import Order
from flashsale.core import money
from flashsale.core.staff.confirmed_actions import ConfirmedActionsAdmin
from flashsale.core.wording import units
from payments import refunds
from payments.admin.forms import OrderRefundForm, Shown
from payments.models import Payment, RefundRequest

PaymentOf = Callable[[Any], Payment | None]

# What a payment was bought with is read with the orders, without the bodies of events.
WITH_PAYMENTS = Prefetch("payments", Payment.objects.select_related("event").defer("event__body"))


def ask_and_refund(
    admin: ConfirmedActionsAdmin, request: HttpRequest, rows: QuerySet[Any], *, payment_of: PaymentOf
) -> TemplateResponse | None:
    """Show what is left of the payment of each row, and ask for a refund of it as the form says."""

    def refund(row: Any, *, note: str, shown: Shown, **wanted: Any) -> RefundRequest:
        payment = payment_of(row)
        wanted |= shown.get(str(row.pk), {})
        order_id = row.pk if isinstance(row, Order) else row.order_id
        return refunds.request(order_id, payment=payment, staff=request.user, note=note, **wanted)

    def describe(row: Any, made: RefundRequest) -> str:
        return f"{str(admin.opts.verbose_name).capitalize()} {row}: {made}."

    def effect(row: Any) -> str:
        payment = payment_of(row)
        return effect_of_refund(payment) if payment else "Nothing will be done: it was never paid."

    chosen = [(row, payment_of(row)) for row in admin.rows_shown(request, rows)]
    return admin.confirm_and_run(
        request, rows, action="refund", verb=refund, describe=describe, form_class=OrderRefundForm,
        initial=_initial_of([(row, payment) for row, payment in chosen if payment]), effect=effect,
    )  # fmt: skip


def is_refundable(payment: Payment) -> bool:
    """Say whether something of a payment can be refunded, or units of its order put back."""
    return payment.order is not None and payment.order.status == Order.Status.PAID


def effect_of_marking(payment: Payment) -> str:
    """Return what is recorded when staff mark a payment as refunded by other means."""
    if payment.is_refund_done:
        return "Nothing will be done: what had to be given back was."
    amount = money.written(payment.amount_to_mark, payment.currency)
    return (
        f"{amount} are recorded as given back by other means. The provider is not asked, and the"
        " order's units stay sold."
    )


def effect_of_refund(payment: Payment) -> str:
    """Return what a refund of a payment can be, and what becomes of it."""
    order = payment.order
    if order is None or not is_refundable(payment):
        return "Nothing will be done: it belongs to no paid order."
    left, paid, back, due = (
        money.written(amount, payment.currency)
        for amount in (payment.amount_left, payment.amount, payment.refunded_amount, payment.amount_due)
    )
    way = (
        f"is given back through {payment.provider} within a few minutes"
        if refunds.is_automatic(payment)
        else "is due until it is given back by other means and recorded, or its provider reports it"
    )
    left_units = order.quantity - order.restocked_units
    return (
        f"Of {paid} paid, {back} were given back and {due} are due for refund: {left} are left. What you enter {way}."
        f" Of the order's {units(order.quantity)}, {left_units} can be put back on sale. The order stays paid."
    )


def shown_for_marking(payments: Iterable[Payment]) -> dict[str, dict[str, str]]:
    """Return which amount the page says it will record of each payment, by its id, for the form to send back."""
    return {str(payment.pk): {"expected": str(payment.amount_to_mark)} for payment in payments}


def _initial_of(chosen: list[tuple[Any, Payment]]) -> dict[str, Any]:
    """Return with what the form of these rows and their payments begins, and the numbers that its page shows."""
    shown = {str(row.pk): _numbers_of(payment) for row, payment in chosen}
    if len(chosen) != 1:
        return {"shown": shown}
    [(_, payment)] = chosen
    left = money.render(payment.amount_left, payment.currency)
    return {"amount": left, "currency": payment.currency, "shown": shown}


def _numbers_of(payment: Payment) -> dict[str, str]:
    restocked = payment.order.restocked_units if payment.order else 0
    return {"expected_left": str(payment.amount_left), "expected_restocked": str(restocked)}
