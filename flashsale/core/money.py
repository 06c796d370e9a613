"""Amounts and their ISO 4217 currencies."""

from decimal import Decimal

from iso4217 import Currency

MAX_DIGITS = 24
DECIMAL_PLACES = 3
CURRENCY_LENGTH = 3

_EXPONENTS = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def is_currency(code: str) -> bool:
    """Say whether `code` is an upper-case ISO 4217 code that amounts can be given in."""
    return code in _EXPONENTS


def exponent_of(currency: str) -> int:
    """Return the number of decimals of the currency's minor unit: 2 for USD, 0 for JPY, 3 for KWD."""
    return _EXPONENTS[currency]


def fits(amount: Decimal, currency: str) -> bool:
    """Say whether the amount has no more decimals than the currency."""
    return amount == amount.quantize(Decimal(1).scaleb(-exponent_of(currency)))


def render(amount: Decimal, currency: str) -> str:
    """Return the amount as a decimal string with the currency's decimals, such as "29.90"."""
    return f"{amount:.{exponent_of(currency)}f}"
