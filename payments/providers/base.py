"""What every payment provider's module offers: verify a request, translate its body. Nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from payments.models import Dispute, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class DisputeNews:
    """How a dispute about a payment stands: its id, and its reason in the provider's word."""

    dispute_id: str
    status: Dispute.Status
    reason: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a provider in this shop's words.

    `type` is the provider's own name for what happened. A reference, amount or currency that was given but cannot be
    used is None and `malformed` names the first such field. `amount` is in units of `currency`, not in minor units;
    of a refund it is what this refund gave back, or with `amount_is_total` what all refunds did so far.
    `occurred_at` is when it happened, where the provider says so. `fingerprint` is equal for two messages that say the
    same.
    """

    event_id: str
    kind: WebhookEvent.Kind
    type: str
    fingerprint: str
    order_id: UUID | None = None
    hold_id: UUID | None = None
    payment_id: str | None = None
    refund_id: str | None = None
    amount: Decimal | None = None
    amount_is_total: bool = False
    currency: str = ""
    dispute: DisputeNews | None = None
    occurred_at: datetime | None = None
    malformed: str = ""


class UnusableBody(Exception):
    """Verified bytes that cannot be stored as an event; `pointer` says which member is at fault."""

    def __init__(self, detail: str, *, pointer: str = "#") -> None:
        super().__init__(detail)
        self.pointer = pointer


class SignatureMismatch(Exception):
    """The request does not prove that the provider sent it."""


class Provider(Protocol):
    """A payment provider. `name` is the last part of its webhook's path."""

    name: str
    # Whether a failure that names an order ends it although the order has no proved payment id: true where a provider
    # tells of whole payments, false where it tells of single tries.
    failures_end_orders: bool
    # Request headers worth keeping beside the raw body; never one that carries a signature.
    kept_headers: tuple[str, ...]

    def verify_headers(self, headers: Mapping[str, str]) -> None:
        """Raise `SignatureMismatch` when the headers alone say that the provider did not send the request."""

    def verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Raise `SignatureMismatch` unless the provider sent these bytes."""

    def translate(self, body: bytes, headers: Mapping[str, str]) -> Message:
        """Return what the verified bytes say; raises `UnusableBody`."""


class RefundOutcome(Enum):
    """What a provider's answer to a refund means. Without a definite answer it may have happened or not."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class RefundAnswer:
    """A provider's answer; `key_is_spent` when it would repeat this answer to the same key, whatever happened since."""

    outcome: RefundOutcome
    refund_id: str | None = None
    detail: str = ""
    key_is_spent: bool = False


@dataclass(frozen=True, kw_only=True)
class ListedRefund:
    """One refund of a payment as its provider lists it; `is_alive` unless it failed or was canceled.

    `attempt` is what the request named as its attempt, empty for a refund that was made elsewhere.
    """

    refund_id: str
    amount: Decimal
    is_alive: bool
    attempt: str = ""


class LookUpFailed(Exception):
    """The provider did not say which refunds a payment has."""


class RefundClient(Protocol):
    """A payment provider's API for giving money back."""

    def is_enabled(self) -> bool:
        """Say whether this deployment lets it refund by itself."""

    def refund(self, payment_id: str, *, amount: Decimal, currency: str, key: str, attempt: str) -> RefundAnswer:
        """Give `amount` (in units of `currency`) of a payment back; equal keys give back once. Raises nothing.

        `attempt` is kept with the refund and comes back in `look_up`.
        """

    def look_up(self, payment_id: str, *, currency: str) -> list[ListedRefund]:
        """Return every refund of a payment, those made elsewhere included. Raises `LookUpFailed`."""


def fingerprint_of(*says: Any) -> str:
    """Return the SHA-256 (hex) of what a message says after translation."""
    return hashlib.sha256(json.dumps(says, default=str).encode()).hexdigest()
