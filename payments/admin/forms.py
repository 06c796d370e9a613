"""The forms in which staff decide about events."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from flashsale.core import money
from flashsale.core.staff.confirmed_actions import NoteForm


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
