"""The action with which staff refund a paid order, on the pages of orders and of payments."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from checkout.models import Order
from flashsale.core import money
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.staff.columns import amount_text
from flashsale.core.staff.confirmed_actions import ConfirmedActionsAdmin, NoteForm
from payments import refunds
from payments.models import Payment, RefundRequest

PaymentOf = Callable[[Any], Payment | None]

# What a payment was bought with is read with the orders, without the bodies of events.
WITH_PAYMENTS = Prefetch("payments", Payment.objects.select_related("event").defer("event__body"))


class OrderRefundForm(NoteForm):
    """How much to refund, how, and how many units to put back; `initial` has the payment's `currency`, if there is one.

    `expected_left` is what is left of the payment according to the page: a refund that was made since is noticed.
    """

    amount = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="In the currency of each payment. Empty: all that is left of it. 0: no money.",
    )
    already_done = forms.ChoiceField(
        required=False,
        label="How",
        choices=[
            ("", "Through the provider, if it can"),
            ("yes", "Given back already, by other means"),
        ],
        widget=UnfoldAdminSelectWidget(),
        help_text="What the provider cannot give back is due until staff record that it was.",
    )
    restock_units = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_INTEGER,
        initial=0,
        label="Units to put back on sale",
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="They are on sale at once. The others stay sold.",
    )
    expected_left = forms.DecimalField(required=False, widget=forms.HiddenInput())
    field_order = ("amount", "already_done", "restock_units", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if currency := self.currency:
            self.fields["amount"].help_text = f"In {currency}. Empty: all that is left. 0: no money."

    @property
    def currency(self) -> str:
        """The currency of the one payment that the form is about; empty for several."""
        return str((self.initial or {}).get("currency", ""))

    def clean_amount(self) -> Decimal | None:
        amount: Decimal | None = self.cleaned_data["amount"]
        is_precise = amount is None or not money.is_currency(self.currency) or money.fits(amount, self.currency)
        if not is_precise:
            decimals = money.exponent_of(self.currency)
            raise forms.ValidationError(f"An amount in {self.currency} has at most {decimals} decimals.")
        return amount

    def clean_already_done(self) -> bool:
        return bool(self.cleaned_data["already_done"])

    def clean_restock_units(self) -> int:
        return self.cleaned_data["restock_units"] or 0


def ask_and_refund(
    admin: ConfirmedActionsAdmin, request: HttpRequest, rows: QuerySet[Any], *, payment_of: PaymentOf
) -> TemplateResponse | None:
    """Show what is left of the payment of each row, and ask for a refund of it as the form says."""

    def refund(row: Any, *, note: str, **wanted: Any) -> RefundRequest:
        payment = payment_of(row)
        order_id = row.pk if isinstance(row, Order) else row.order_id
        return refunds.request(order_id, payment=payment, staff=request.user, note=note, **wanted)

    def describe(row: Any, made: RefundRequest) -> str:
        return f"{str(admin.opts.verbose_name).capitalize()} {row}: {made}."

    def effect(row: Any) -> str:
        payment = payment_of(row)
        return effect_of_refund(payment) if payment else "Nothing will be done: it was never paid."

    chosen = [payment_of(row) for row in rows[:2]]
    return admin.confirm_and_run(
        request, rows, action="refund", verb=refund, describe=describe, form_class=OrderRefundForm,
        initial=_initial_of(chosen[0]) if len(chosen) == 1 and chosen[0] else None, effect=effect,
    )  # fmt: skip


def is_refundable(payment: Payment) -> bool:
    """Say whether something of a payment can be refunded, or units of its order put back."""
    return payment.order is not None and payment.order.status == Order.Status.PAID


def effect_of_marking(payment: Payment) -> str:
    """Return what is recorded when staff mark a payment as refunded by other means."""
    if payment.is_refund_done:
        return "Nothing will be done: what had to be given back was."
    amount = amount_text(payment.amount_due or payment.amount_left, payment.currency)
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
        amount_text(amount, payment.currency)
        for amount in (payment.amount_left, payment.amount, payment.refunded_amount, payment.amount_due)
    )
    way = (
        f"is given back through {payment.provider} within a few minutes"
        if refunds.is_automatic(payment)
        else "is due until it is given back by other means and recorded, or its provider reports it"
    )
    units = order.quantity - order.restocked_units
    return (
        f"Of {paid} paid, {back} were given back and {due} are due for refund: {left} are left. What you enter {way}."
        f" Of the order's {order.quantity} units, {units} can be put back on sale. The order stays paid."
    )


def _initial_of(payment: Payment) -> dict[str, Any]:
    left = money.render(payment.amount_left, payment.currency)
    return {"amount": left, "expected_left": left, "currency": payment.currency}
