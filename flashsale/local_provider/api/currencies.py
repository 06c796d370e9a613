"""Currencies that Stripe charges in, their minor units, and the smallest and largest charges.

Source: https://docs.stripe.com/currencies.
"""

from decimal import Decimal

from flashsale.local_provider.api.errors import invalid

MAX_AMOUNT = 99_999_999


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


ZERO_DECIMAL = _codes("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF")
THREE_DECIMAL = _codes("BHD JOD KWD OMR TND")
# Written with two decimals that are always zero.
WHOLE_UNITS = frozenset({"ISK", "UGX"})
TWO_DECIMAL = _codes(
    """
    USD AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC
    CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR KYD
    KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX UYU UZS WST XCD
    YER ZAR ZMW
    """
)
# The smallest charges in minor units; in currencies that are not listed, `DEFAULT_MINIMUM`.
MINIMUMS = {
    "USD": 50, "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50,
    "GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50,
    "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000,
}  # fmt: skip
DEFAULT_MINIMUM = 50


def check_currency(code: str) -> str:
    """Return a currency in lower case, as Stripe writes it; raises `ApiError` for one that it does not know."""
    if code.upper() not in ZERO_DECIMAL | TWO_DECIMAL | THREE_DECIMAL:
        raise invalid(f"Invalid currency: {code.lower()}.", param="currency")
    return code.lower()


def check_amount(amount: int, currency: str) -> None:
    """Raise `ApiError` for an amount in minor units that cannot be charged."""
    code = currency.upper()
    minimum = MINIMUMS.get(code, DEFAULT_MINIMUM)
    if amount < minimum:
        smallest = formatted(minimum, currency)
        raise invalid(f"Amount must be at least {smallest}", param="amount", code="amount_too_small")
    if amount > MAX_AMOUNT:
        raise invalid("Amount must be no more than 99999999.", param="amount", code="amount_too_large")
    step = 10 if code in THREE_DECIMAL else 100 if code in WHOLE_UNITS else 1
    if amount % step:
        raise invalid(f"Amounts in {code} must be a multiple of {step}.", param="amount")


def formatted(amount: int, currency: str) -> str:
    """Return an amount of minor units as people read it, such as `59.98 USD`."""
    code = currency.upper()
    decimals = 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2
    return f"{Decimal(amount).scaleb(-decimals):,} {code}"
