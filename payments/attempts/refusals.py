"""Why an order cannot be paid through the shop."""

from flashsale.core.refusals import Refusal


class PaymentClosed(Refusal):
    code = "payment_closed"
    title = "It is too late to pay"


class PaymentNotPossible(Refusal):
    code = "payment_not_possible"
    title = "The shop cannot take this payment"


class PaymentProviderUnavailable(Refusal):
    """Nothing was stored."""

    code = "payment_provider_unavailable"
    title = "The payment provider has no time"
    retry_after_seconds = 5
