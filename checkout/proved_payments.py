"""Payment ids that are proved to belong to an order; any other id that an order carries is a claim of its buyer.

A buyer can name any payment id that it has seen, so a claim is shown and has no other effect. A proved id is refused
for other orders, and an event that names only a payment finds its order by it. A transaction that changes an id's proof
holds its reference lock (`checkout.reference_locks`).
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from checkout.models import Order, ProvedPaymentId
from flashsale.core import rows
from flashsale.core.statements import Query, Row, Statement, array, fetch, send
from flashsale.core.transactions import defer_to_commit

CLAIMANTS_SHOWN = 10

_FIND = "SELECT payment_id, order_id, proved_by FROM checkout_provedpaymentid WHERE payment_id = ANY(%s::text[])"
_OF_ORDERS = """
SELECT payment_id, order_id, proved_by FROM checkout_provedpaymentid WHERE order_id = ANY(%s::uuid[]) ORDER BY proved_at
"""
# A proof replaces one for another order, and one by a token; of two for one order the shop's own attempt is kept.
_PROVE = """
INSERT INTO checkout_provedpaymentid (payment_id, order_id, proved_by, proved_at)
SELECT payment_id, order_id, %s, %s FROM unnest(%s::text[], %s::uuid[]) AS proved (payment_id, order_id)
ON CONFLICT (payment_id) DO UPDATE SET order_id = excluded.order_id, proved_by = excluded.proved_by,
    proved_at = excluded.proved_at
WHERE checkout_provedpaymentid.order_id <> excluded.order_id OR checkout_provedpaymentid.proved_by = 'token'
    OR (checkout_provedpaymentid.proved_by, excluded.proved_by) = ('event', 'attempt')
"""


@dataclass(frozen=True)
class Proof:
    """The order that a payment id belongs to, and what proved it: an attempt, an event or a token."""

    order_id: UUID
    proved_by: str

    @property
    def is_by_token(self) -> bool:
        """Say whether only an API token proved it: an event that names another order outweighs that."""
        return self.proved_by == ProvedPaymentId.By.TOKEN


def query(payment_ids: Iterable[str | None]) -> Query[dict[str, Proof]]:
    """Return the proofs of those of these payment ids that are proved."""
    ids = [payment_id for payment_id in payment_ids if payment_id is not None]
    return Query(
        [Statement(_FIND, [array(ids)])] if ids else [],
        lambda results: {
            row["payment_id"]: Proof(row["order_id"], row["proved_by"])
            for row in itertools.chain.from_iterable(results)
        },
    )


def find(payment_id: str) -> Proof | None:
    """Return the proof of a payment id, None when it is not proved."""
    [proofs] = fetch(query([payment_id]))
    return proofs.get(payment_id)


def of_orders_query(order_ids: Iterable[UUID]) -> Query[dict[UUID, dict[str, Proof]]]:
    """Return the proofs of the payment ids of each of these orders that has any: of several, the newest last."""

    def parse(results: Sequence[list[Row]]) -> dict[UUID, dict[str, Proof]]:
        proofs: dict[UUID, dict[str, Proof]] = {}
        for row in results[0]:
            proof = Proof(row["order_id"], row["proved_by"])
            proofs.setdefault(proof.order_id, {})[row["payment_id"]] = proof
        return proofs

    return Query([Statement(_OF_ORDERS, [array(order_ids)])], parse)


def of_order(order_id: UUID) -> dict[str, Proof]:
    """Return the proofs of an order's payment ids; of several, the newest last."""
    [proofs] = fetch(of_orders_query([order_id]))
    return proofs.get(order_id, {})


def prove_by_tokens(proved: Iterable[tuple[str, UUID]], *, now: datetime) -> None:
    """Record payment ids, none of them proved yet, for the new orders that API tokens placed with them.

    Sent with the COMMIT.
    """
    proofs = [
        ProvedPaymentId(payment_id=payment_id, order_id=order_id, proved_by=ProvedPaymentId.By.TOKEN, proved_at=now)
        for payment_id, order_id in proved
    ]
    if proofs:
        defer_to_commit(rows.insertion(proofs))


def prove_by_events(proved: Mapping[str, UUID], *, now: datetime) -> None:
    """Record payment ids for the orders that events named with them, with the COMMIT; see `prove_by_event`."""
    if proved:
        defer_to_commit(_proof(proved, by=ProvedPaymentId.By.EVENT, now=now))


def prove_by_event(payment_id: str, order_id: UUID, *, now: datetime) -> None:
    """Record a payment id for the order that an event named with it; replaces its proof for another order.

    Runs inside a transaction that holds the id's reference lock. Whether another order's proof may be replaced is the
    caller's decision. An id that an event proved for the same order keeps that proof.
    """
    send([_proof({payment_id: order_id}, by=ProvedPaymentId.By.EVENT, now=now)])


def prove_by_attempts(proved: Mapping[str, UUID], *, now: datetime) -> None:
    """Record the ids of payments that the shop made, for their orders; this outweighs every other proof.

    Runs inside a transaction that holds the ids' reference locks. Sent with the COMMIT.
    """
    defer_to_commit(_proof(proved, by=ProvedPaymentId.By.ATTEMPT, now=now))


def _proof(proved: Mapping[str, UUID], *, by: ProvedPaymentId.By, now: datetime) -> Statement:
    return Statement(_PROVE, [by.value, now, array(proved), array(proved.values())])


def orders_with(payment_id: str) -> list[tuple[UUID, bool]]:
    """Return the orders of a payment id, and whether it is proved for them: the proved one first.

    Then at most `CLAIMANTS_SHOWN` orders that claim it, the newest first. The proved order may show another payment id.
    """
    proof = find(payment_id)
    proved = [proof.order_id] if proof else []
    claims = Order.objects.filter(payment_id=payment_id).exclude(pk__in=proved).order_by("-created_at")
    claimants = claims.values_list("pk", flat=True)[:CLAIMANTS_SHOWN]
    return [*((order_id, True) for order_id in proved), *((order_id, False) for order_id in claimants)]
