"""Why a refund is not made or recorded, wherever it is asked for."""

from flashsale.core.refusals import Refusal


class RefundChanged(Refusal):
    """Less, or more, is left of the payment, or due, than the caller has seen, or units were put back since."""

    code = "refund_changed"
    title = "Another refund was made meanwhile"
