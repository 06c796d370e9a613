"""What Stripe can charge: currencies, smallest and largest amounts.

Source: https://docs.stripe.com/currencies.
"""

from dataclasses import dataclass
from decimal import Decimal

from flashsale.core import money
from payments.providers.stripe.events import exponent_of

# ISO 4217 currencies that Stripe does not charge in: funds, metals, and money under sanctions or without cards.
UNKNOWN = frozenset({
    "BOV", "BTN", "CHE", "CHW", "CLF", "COU", "CUC", "CUP", "ERN", "IQD", "IRR", "KPW", "LYD", "MXV", "SDG", "SSP",
    "SVC", "SYP", "TMT", "USN", "UYI", "UYW", "VED", "VES", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD",
    "XPT", "XSU", "XTS", "XUA", "XXX", "ZWG", "ZWL",
})  # fmt: skip
# In minor units. In other currencies the smallest charge depends on the rate of the day, and Stripe judges.
MINIMUMS = {
    "AED": 200, "AUD": 50, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50, "GBP": 30,
    "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200,
    "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50,
}  # fmt: skip
MAX_AMOUNT = 99_999_999
# More digits than usual; the exact limit is Stripe's to judge.
LARGE = frozenset({"COP", "HUF", "IDR", "INR", "JPY", "LBP"})
MAX_LARGE_AMOUNT = 999_999_999_999
# Amounts must be multiples of these: whole units, or two decimals of three.
STEPS = {"ISK": 100, "UGX": 100, "BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}


@dataclass(frozen=True)
class Unchargeable:
    """Why Stripe cannot charge an amount: in a word (as in `PaymentAnswer.reason`), and in a sentence."""

    reason: str
    detail: str


def judge(amount: Decimal, currency: str) -> Unchargeable | None:
    """Return why Stripe cannot charge an amount; None when it may."""
    if not money.is_currency(currency) or currency in UNKNOWN:
        return Unchargeable("currency_unknown", f"Stripe takes no payments in {currency or 'an unknown currency'}.")
    written, in_minor_units = money.written(amount, currency), amount.scaleb(exponent_of(currency))
    if in_minor_units % STEPS.get(currency, 1):
        return Unchargeable("refused", f"Stripe cannot take {written}: it has too many decimals.")
    minimum = MINIMUMS.get(currency, 1)
    if in_minor_units < minimum:
        smallest = money.written(Decimal(minimum).scaleb(-exponent_of(currency)), currency)
        return Unchargeable("amount_too_small", f"Stripe cannot take {written}: the smallest payment is {smallest}.")
    if in_minor_units > (MAX_LARGE_AMOUNT if currency in LARGE else MAX_AMOUNT):
        return Unchargeable("refused", f"Stripe cannot take {written}: it is too large.")
    return None


def minor_units(amount: Decimal, currency: str) -> int:
    """Return an amount that Stripe can charge in its minor units."""
    return int(amount.scaleb(exponent_of(currency)))
