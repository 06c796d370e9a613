"""What every event does to an order in every state: worked out from the specification, not from the code."""

from dataclasses import dataclass

STATES = ["pending", "overdue", "expired", "cancelled", "paid by pay_1", "paid by no name"]
NAMES = ["pay_1", "pay_2", None]
RESERVED = {"pending", "overdue"}
# The status that the API shows for an unchanged order.
SEEN_AS = {"pending": "pending_payment", "overdue": "expired", "expired": "expired", "cancelled": "cancelled"}


@dataclass(frozen=True)
class Expected:
    """The outcome of an event, and the order, its payments and its stock afterwards."""

    outcome: str
    status: str
    payments: dict[str, str]
    reserved: int
    sold: int


def payer_of(state: str) -> str | None:
    """Return the id of the payment that paid the order; None when it is unpaid."""
    return {"paid by pay_1": "pay_1", "paid by no name": "earlier"}.get(state)


def unchanged(state: str, outcome: str) -> Expected:
    payer = payer_of(state)
    return Expected(
        outcome=outcome,
        status=SEEN_AS.get(state, "paid"),
        payments={payer: "applied"} if payer else {},
        reserved=2 if state in RESERVED else 0,
        sold=2 if payer else 0,
    )


def after_success(state: str, knows: str | None, named: str | None) -> Expected:
    payer = payer_of(state)
    if state == "cancelled":
        return Expected("applied", "cancelled", {named or "evt": "refund_due"}, 0, 0)
    if payer is None:
        return Expected("applied", "paid", {named or "evt": "applied"}, 0, 2)
    is_the_one_payment = named in (None, payer) or (payer == "earlier" and named == knows)
    if is_the_one_payment:
        return unchanged(state, "ignored")
    return Expected("applied", "paid", {payer: "applied", named: "refund_due"}, 0, 2)


def after_failure(state: str, knows: str | None, named: str | None) -> Expected:
    counts = named is None or knows is None or named == knows
    if state == "pending" and counts:
        return Expected("applied", "cancelled", {}, 0, 0)
    return unchanged(state, "ignored")


def after_refund(state: str, knows: str | None, named: str | None) -> Expected:
    payer = payer_of(state)
    if payer and named in (None, payer):
        return Expected("applied", "paid", {payer: "refunded"}, 0, 2)
    return unchanged(state, "needs_review")


def expected(state: str, knows: str | None, status: str, named: str | None) -> Expected:
    """Return what an event with this status and payment id does to an order that knows `knows` as its payment id."""
    rule = {
        "success": after_success,
        "failure": after_failure,
        "failed": after_failure,
        "refunded": after_refund,
    }.get(status)
    return rule(state, knows, named) if rule else unchanged(state, "ignored")
