"""Group commit of payments that are asked for at the same moment, see `flashsale.core.batching`.

They are stored in one transaction, and the provider's answers to buyers in another one. A batch that fails is rolled
back, and each of its requests is then processed alone.
"""

from collections.abc import Sequence

from flashsale.core.batching import Admit, Batcher, is_fault_or_lock_timeout
from flashsale.core.refusals import Refusal
from payments import attempt_records
from payments.attempt_records import Answered, Stored
from payments.attempts import finding
from payments.attempts.deciding import PaymentRequest
from payments.attempts.finding import Found


def find_or_add(request: PaymentRequest) -> Found:
    """Do what `finding.find_or_add` does, in one transaction with concurrent requests.

    Raises its refusals, `Busy` and `OutcomeUnknown`.
    """
    return attempt_batcher.submit(None, request)


def store(answered: Answered) -> Stored:
    """Do what `attempt_records.store` does, in one transaction with concurrent answers.

    Raises `Busy` and `OutcomeUnknown`.
    """
    return answer_batcher.submit(None, answered)


def _find_batch(_: None, batch: list[PaymentRequest], admit: Admit[PaymentRequest]) -> Sequence[Found | Refusal]:
    return finding.find_or_add(batch)


def _store_batch(_: None, batch: list[Answered], admit: Admit[Answered]) -> Sequence[Stored]:
    return attempt_records.store(batch)


def _is_for_another_order(request: PaymentRequest, others: list[PaymentRequest]) -> bool:
    """Say whether no other request is for the same order: a second one finds the payment of the first."""
    return all(other.order_id != request.order_id for other in others)


def _is_about_another_order(answered: Answered, others: list[Answered]) -> bool:
    return all(other.attempt.order_id != answered.attempt.order_id for other in others)


attempt_batcher: Batcher[None, PaymentRequest, Found] = Batcher(
    _find_batch, compatible=_is_for_another_order, isolates=is_fault_or_lock_timeout, gathers=True
)
answer_batcher: Batcher[None, Answered, Stored] = Batcher(
    _store_batch, compatible=_is_about_another_order, isolates=is_fault_or_lock_timeout, gathers=True
)
