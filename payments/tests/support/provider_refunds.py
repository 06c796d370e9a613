"""The local provider's refunds: which requests came, and what goes wrong with the next ones."""

from flashsale.local_provider.api.errors import INVALID_REQUEST, error_body
from flashsale.local_provider.behaviour.faults import Fault
from flashsale.local_provider.running import RunningProvider

API_KEY = "sk_live_local"
CREATE, LIST = "POST /v1/refunds", "GET /v1/refunds"
INSUFFICIENT_FUNDS = Fault(
    400, error_body(INVALID_REQUEST, "Insufficient funds", code="balance_insufficient"), is_saved=True
)
REFUND_FAILED = Fault(
    200, {"id": "re_0", "object": "refund", "status": "failed", "failure_reason": "declined"}, is_saved=True
)
_LIST = {"object": "list", "url": "/v1/refunds", "has_more": False}
# Lists that do not say what there is.
UNREADABLE = {
    "too many": Fault(200, _LIST | {"has_more": True, "data": []}),
    "no list": Fault(200, _LIST),
    "no refunds": Fault(200, _LIST | {"data": [{"object": "refund"}]}),
}


def fail_refunds(stripe: RunningProvider, *faults: str | Fault) -> None:
    """Plan faults for the next refunds, one each."""
    stripe.fail_next(*faults, endpoint=CREATE)


def keys_sent(stripe: RunningProvider) -> list[str]:
    """Return the Idempotency-Key of each refund that was asked for, in order."""
    return [one.key for one in stripe.received(CREATE)]


def looked_up(stripe: RunningProvider) -> list[str]:
    """Return the payment intents whose refunds were listed, in order."""
    return [one.params["payment_intent"] for one in stripe.received(LIST)]


def refund_made(stripe: RunningProvider, number: int = 1) -> str:
    """Return the id of the first refund that the provider made, or of another one."""
    return stripe.objects("refund")[number - 1]["id"]
