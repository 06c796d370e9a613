"""Amounts and their ISO 4217 currencies."""

from decimal import Decimal
from typing import cast

from iso4217 import Currency

MAX_DIGITS = 24
DECIMAL_PLACES = 3
SMALLEST = Decimal("0.001")
CURRENCY_LENGTH = 3
# Amounts are smaller than this.
MAX_AMOUNT = Decimal(10) ** (MAX_DIGITS - DECIMAL_PLACES)
# No provider and no person writes an amount with more digits than this, zeros included.
MAX_WRITTEN_DIGITS = 100

_EXPONENTS = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def is_currency(code: str) -> bool:
    """Say whether `code` is an upper-case ISO 4217 code that amounts can be given in."""
    return code in _EXPONENTS


def exponent_of(currency: str) -> int:
    """Return the number of decimals of the currency's minor unit: 2 for USD, 0 for JPY, 3 for KWD."""
    return _EXPONENTS[currency]


def fits(amount: Decimal, currency: str) -> bool:
    """Say whether the amount has no more decimals than the currency; false for NaN and infinity."""
    return amount.is_finite() and _decimals_of(amount) <= exponent_of(currency)


def as_stored(amount: Decimal) -> Decimal | None:
    """Return a positive amount exactly as a column of amounts keeps it, or None where no such column can.

    None for what is not finite, not positive, too large, more precise than `DECIMAL_PLACES`, or written with more than
    `MAX_WRITTEN_DIGITS` digits: PostgreSQL and `Decimal` arithmetic each refuse or round such numbers in their own way.
    """
    if not amount.is_finite() or not 0 < amount < MAX_AMOUNT or len(amount.as_tuple().digits) > MAX_WRITTEN_DIGITS:
        return None
    if _decimals_of(amount) > DECIMAL_PLACES:
        return None
    return amount.quantize(Decimal(1).scaleb(-DECIMAL_PLACES))


def render(amount: Decimal, currency: str) -> str:
    """Return the amount as a decimal string with the currency's decimals, such as "29.90"; never rounded.

    An amount with more decimals than its currency, or without a known currency, is written in full.
    """
    if is_currency(currency) and fits(amount, currency):
        return f"{amount:.{exponent_of(currency)}f}"
    return f"{amount.normalize():f}"


def written(amount: Decimal, currency: str) -> str:
    """Return the amount as `render` does, with its currency: "29.90 USD"."""
    return f"{render(amount, currency)} {currency}".strip()


def _decimals_of(amount: Decimal) -> int:
    """Count the decimals of a finite amount as written, less trailing zeros.

    Arithmetic would round long amounts and lose tiny ones.
    """
    _, digits, exponent = amount.as_tuple()
    decimals = -cast("int", exponent)
    for digit in reversed(digits):
        if digit:
            return max(0, decimals)
        decimals -= 1
    return 0
