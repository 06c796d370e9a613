"""The forms in which staff decide about events, and refund payments."""

import math
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from flashsale.core import money
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.staff.confirmed_actions import NoteForm

# By the id of a row, what its verb is given of the numbers that the page showed about it.
Shown = dict[str, dict[str, Any]]


class AcceptForm(NoteForm):
    """Why events are accepted, and their order, where they do not name it."""

    order_id = forms.UUIDField(
        required=False,
        label="Order",
        widget=UnfoldAdminTextInputWidget(),
        help_text="Its whole id. Only where the event is for another order than the one named above, or names none.",
    )
    field_order: tuple[str, ...] = ("order_id", "note")


class RefundForm(AcceptForm):
    """Why money is refunded, and the amount, where the events do not say it."""

    amount = forms.DecimalField(
        required=False,
        min_value=Decimal("0.001"),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="Only where neither the event nor its order says it.",
    )
    currency = forms.CharField(
        required=False,
        max_length=money.CURRENCY_LENGTH,
        widget=UnfoldAdminTextInputWidget(),
        help_text="ISO 4217 code.",
    )
    field_order = ("order_id", "amount", "currency", "note")

    def clean_currency(self) -> str:
        code: str = self.cleaned_data["currency"].upper()
        if code and not money.is_currency(code):
            raise forms.ValidationError("This is not an ISO 4217 currency.")
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        amount, currency = cleaned.get("amount"), cleaned.get("currency")
        if amount and currency and not money.fits(amount, currency):
            decimals = money.exponent_of(currency)
            self.add_error("amount", f"An amount in {currency} has at most {decimals} decimals.")
        return cleaned


class ShownForm(NoteForm):
    """Carries the numbers that the page showed about each row, by its id: what has changed since is noticed."""

    numbers: ClassVar[dict[str, type[Decimal | int]]] = {}
    shown = forms.JSONField(required=False, widget=forms.HiddenInput())

    def clean_shown(self) -> Shown:
        try:
            return {str(row): self._numbers(shown) for row, shown in (self.cleaned_data["shown"] or {}).items()}
        except (ArithmeticError, AttributeError, KeyError, ValueError) as error:
            raise forms.ValidationError("These are not the numbers that the page showed.") from error

    def _numbers(self, shown: dict[str, Any]) -> dict[str, Decimal | int]:
        """Raises `ValueError` for what is no finite number, `KeyError` for a name that is not in `numbers`."""
        read = {name: self.numbers[name](str(number)) for name, number in shown.items()}
        if not all(math.isfinite(number) for number in read.values()):
            raise ValueError("a number is not finite")
        return read


class MarkingForm(ShownForm):
    """Why payments are marked as refunded by other means, and the amount that the page showed of each."""

    numbers: ClassVar = {"expected": Decimal}


class OrderRefundForm(ShownForm):
    """How much to refund, how, and how many units to put back; `initial` has the payment's `currency`, if it is one."""

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
    field_order = ("amount", "already_done", "restock_units", "note")
    numbers: ClassVar = {"expected_left": Decimal, "expected_restocked": int}

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
