"""Test cards by the ids of their payment methods.

Source: https://docs.stripe.com/testing.
"""

from flashsale.local_provider.api.errors import missing

VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclined"
PAYING = frozenset({VISA, "pm_card_mastercard", "pm_card_amex", "pm_card_visa_debit"})
# The error's code and the reason that the card's bank gives.
DECLINES = {
    DECLINED: ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", None),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", None),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", None),
}
MESSAGES = {
    "card_declined": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}


def decline_of(payment_method: str) -> dict[str, str] | None:
    """Return the error of a card that is declined, None for one that pays. Raises `ApiError` for another id."""
    if payment_method in PAYING:
        return None
    if payment_method not in DECLINES:
        raise missing("PaymentMethod", payment_method, param="payment_method", status=400)
    code, reason = DECLINES[payment_method]
    error = {"type": "card_error", "code": code, "message": MESSAGES[code]}
    return error | ({"decline_code": reason} if reason else {})
