"""Concurrent requests for orders share a transaction (group commit, see `flashsale.core.batching`)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from checkout.idempotency import IdempotencyKey
from checkout.orders import placing
from checkout.orders.reading import OrderView
from checkout.orders.requests import OrderRequest
from flashsale.core.batching import Admit, Batcher, is_fault_or_lock_timeout
from flashsale.core.capacity import shares
from flashsale.core.refusals import Refusal


def submit(
    *,
    hold_id: UUID,
    payment_id: str | None = None,
    is_payment_id_proved: bool = False,
    metadata: Mapping[str, str] | None = None,
    key: IdempotencyKey | None = None,
) -> OrderView:
    """Do what `placing.place` does, in one transaction with concurrent requests.

    Raises what `placing.place` raises, `Busy` when there are too many requests or no time, and `OutcomeUnknown`.
    """
    request = OrderRequest(
        hold_id=hold_id,
        payment_id=payment_id,
        is_payment_id_proved=is_payment_id_proved,
        metadata=metadata or {},
        key=key,
    )
    return order_batcher.submit(None, request)


def _process(_: None, requests: list[OrderRequest], admit: Admit[OrderRequest]) -> Sequence[OrderView | Refusal]:
    return placing.place_batch(requests)


def _conflicts_with_none(request: OrderRequest, others: list[OrderRequest]) -> bool:
    return not any(request.conflicts_with(other) for other in others)


order_batcher: Batcher[None, OrderRequest, OrderView] = Batcher(
    _process,
    compatible=_conflicts_with_none,
    isolates=is_fault_or_lock_timeout,
    max_in_flight=shares.orders,
    gathers=True,
)
