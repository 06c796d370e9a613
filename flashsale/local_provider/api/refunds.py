"""Refunds: what is given back never exceeds the payment.

Source: https://docs.stripe.com/api/refunds.
"""

from typing import Any

from flashsale.local_provider.api import lists, parameters
from flashsale.local_provider.api.errors import invalid, missing, refused
from flashsale.local_provider.provider import Provider, Request, new_id
from flashsale.local_provider.storage import Thing, shown

KIND = "refund"
REASONS = ("duplicate", "fraudulent", "requested_by_customer")
NOT_IN_EFFECT = ("failed", "canceled")
CREATE_PARAMETERS = frozenset({"amount", "charge", "metadata", "payment_intent", "reason"})
LIST_PARAMETERS = lists.PARAMETERS | {"charge", "payment_intent"}


def create(provider: Provider, request: Request) -> Thing:
    """Give back a payment or a part of it, in minor units. Raises `ApiError`."""
    params = request.params
    charge = _charge(provider, params)
    left = charge["amount"] - charge["amount_refunded"]
    amount = parameters.whole(params["amount"], name="amount", least=1, most=10**11) if "amount" in params else left
    if params.get("reason") is not None:
        parameters.choice(params["reason"], *REASONS, name="reason")
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount > left:
        raise refused(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount")
    metadata = parameters.metadata(params)
    refund = add(provider, charge, amount=amount, status=provider.habits.refunds, metadata=metadata, request=request)
    refund["reason"] = params.get("reason")
    return shown(refund)


def retrieve(provider: Provider, request: Request) -> Thing:
    """Return a refund; raises `ApiError`."""
    refund = provider.storage.find(KIND, request.object_id)
    if refund is None:
        raise missing(KIND, request.object_id)
    return shown(refund)


def list_page(provider: Provider, request: Request) -> dict[str, Any]:
    """Return a page of refunds, of a payment only when it is given; raises `ApiError`."""
    wanted = {name: request.params[name] for name in ("payment_intent", "charge") if name in request.params}
    refunds = provider.storage.newest_first(KIND)
    found = [one for one in refunds if all(one[name] == value for name, value in wanted.items())]
    return lists.page(request, found, what=KIND)


def add(
    provider: Provider,
    charge: Thing,
    *,
    amount: int,
    status: str,
    metadata: dict[str, str],
    request: Request | None = None,
) -> Thing:
    """Store a refund of `amount` minor units, with its events."""
    refund = {
        "id": new_id("re"),
        "object": KIND,
        "amount": amount,
        "charge": charge["id"],
        "created": provider.now(),
        "currency": charge["currency"],
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "reason": None,
        "status": "succeeded" if status in NOT_IN_EFFECT else status,
    }
    provider.storage.put(refund)
    provider.emit("refund.created", refund, request)
    _give_back(provider, charge, amount)
    provider.emit("charge.refunded", charge, request)
    if status in NOT_IN_EFFECT:
        end(provider, refund, status=status)
    return refund


def end(provider: Provider, refund: Thing, *, status: str) -> None:
    """Let a refund succeed, fail or be canceled afterwards; what fails is the merchant's again."""
    refund["status"] = status
    if status in NOT_IN_EFFECT:
        refund["failure_reason"] = "declined" if status == "failed" else "merchant_request"
        charge = provider.storage.find("charge", refund["charge"])
        _give_back(provider, charge, -refund["amount"])
    provider.storage.put(refund)
    provider.emit("refund.updated", refund)
    if status == "failed":
        provider.emit("refund.failed", refund)


def _give_back(provider: Provider, charge: Thing, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    provider.storage.put(charge)


def _charge(provider: Provider, params: dict[str, Any]) -> Thing:
    """Return the charge to refund; raises `ApiError`."""
    if not (params.get("payment_intent") or params.get("charge")):
        raise invalid(
            "One of the following params should be provided: payment_intent or charge.", param="payment_intent"
        )
    if not params.get("payment_intent"):
        charge = provider.storage.find("charge", str(params["charge"]))
        if charge is None:
            raise missing("charge", str(params["charge"]), param="charge")
    else:
        intent = provider.storage.find("payment_intent", str(params["payment_intent"]))
        if intent is None:
            raise missing("payment_intent", str(params["payment_intent"]), param="payment_intent")
        charge = provider.storage.find("charge", intent["latest_charge"] or "")
    if charge is None or not charge["paid"]:
        raise refused("This PaymentIntent does not have a successful charge to refund.")
    return charge
