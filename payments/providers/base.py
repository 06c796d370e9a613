"""What a payment provider's module offers: it verifies requests, translates their bodies, and describes itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Protocol
from uuid import UUID

from django.conf import settings

from payments.models import Dispute, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class DisputeState:
    """The state of a dispute about a payment: its id, its status, and the provider's word for its reason."""

    dispute_id: str
    status: Dispute.Status
    reason: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a provider in this shop's terms.

    `type` is the provider's own name for what happened. A reference, amount or currency that was given but cannot be
    used is None and `malformed` names the first such field. `amount` is in units of `currency`, not in minor units;
    of a refund it is what this refund gave back, or with `amount_is_total` what all refunds did so far.
    `occurred_at` is when it happened, where the provider says so. `fingerprint` is equal for two messages with the
    same content. `attempt_id` is what the shop wrote into the metadata of a payment that it made, and `shop_id` is the
    shop that made what the message is about, where its metadata says so.
    """

    event_id: str
    kind: WebhookEvent.Kind
    type: str
    fingerprint: str
    order_id: UUID | None = None
    hold_id: UUID | None = None
    payment_id: str | None = None
    refund_id: str | None = None
    attempt_id: UUID | None = None
    amount: Decimal | None = None
    amount_is_total: bool = False
    currency: str = ""
    dispute: DisputeState | None = None
    occurred_at: datetime | None = None
    shop_id: str = ""
    malformed: str = ""

    @property
    def is_foreign(self) -> bool:
        """Whether another shop made what it is about, which shares the provider's account."""
        return "" not in (self.shop_id, settings.SHOP_ID) and self.shop_id != settings.SHOP_ID


class UnusableBody(Exception):
    """Verified bytes that cannot be stored as an event; `pointer` (a JSON pointer) names the member at fault."""

    def __init__(self, detail: str, *, pointer: str = "#") -> None:
        super().__init__(detail)
        self.pointer = pointer


class SignatureMismatch(Exception):
    """The request does not prove that the provider sent it; the message is for people."""


class UnusableSample(Exception):
    """A sample event cannot be made of these members; the message is for people."""


class Provider(Protocol):
    """A payment provider: everything that the shop, its documentation and its tests use of it."""

    # The last part of its webhook's path, and the start of its variables' names.
    name: str
    # Its name for people, which is also that of its events in the documentation.
    title: str
    # The environment variable with its webhook secrets, separated by commas.
    secrets_variable: str
    # The headers that prove who sent a request, with their descriptions; they are never stored.
    signature_headers: Mapping[str, str]
    # Request headers that are stored beside the raw body.
    kept_headers: tuple[str, ...]
    # The JSON Schema of an event, as the documentation shows it.
    body_schema: Mapping[str, Any]
    # The statuses that `sample` accepts, "success" among them.
    sample_statuses: tuple[str, ...]
    # Whether a failure that names an order cancels it although the order has no proved payment id: true where a
    # provider reports whole payments, false where it reports single attempts to pay.
    failures_end_orders: bool

    def has_secrets(self) -> bool:
        """Say whether any webhook secret is configured."""

    def verify_headers(self, headers: Mapping[str, str]) -> None:
        """Raise `SignatureMismatch` when the headers alone show that the provider did not send the request now."""

    def verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Raise `SignatureMismatch` unless the provider signed these bytes with one of the secrets."""

    def translate(self, body: bytes, headers: Mapping[str, str]) -> Message:
        """Return what the verified bytes say; raises `UnusableBody`."""

    def sign(self, body: bytes, *, message_id: str) -> dict[str, str]:
        """Return the headers with which the provider would send the body now, signed with the first secret, if any."""

    def sample(self, *, event_id: str, status: str, members: Mapping[str, str]) -> bytes:
        """Return the body of an event as the provider would write it, for the shop's own tools and tests.

        `members` are any of `SAMPLE_MEMBERS`, as text. Raises `UnusableSample`.
        """


# What a sample event may name: ids, and an amount in units of `currency` (ISO 4217).
SAMPLE_MEMBERS = ("order_id", "hold_id", "payment_id", "amount", "currency")


class RefundOutcome(Enum):
    """What a provider's answer to a refund means. UNKNOWN: no definite answer, it may have been made or not."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class RefundAnswer:
    """A provider's answer to a refund; `key_is_spent` when the same idempotency key would get this answer again."""

    outcome: RefundOutcome
    refund_id: str | None = None
    detail: str = ""
    key_is_spent: bool = False


@dataclass(frozen=True, kw_only=True)
class ListedRefund:
    """One refund of a payment as its provider lists it; `is_in_effect` unless it failed or was canceled.

    `attempt` is the name of the attempt that made it, empty for a refund that this shop did not send.
    """

    refund_id: str
    amount: Decimal
    is_in_effect: bool
    attempt: str = ""


class LookUpFailed(Exception):
    """The provider did not say which refunds a payment has."""


# The calls that send requests.
RefundCall = Literal["refund", "look_up"]


class RefundClient(Protocol):
    """A payment provider's API for giving money back."""

    def is_enabled(self) -> bool:
        """Say whether this deployment lets it refund by itself."""

    def slot_of(self, call: RefundCall) -> str:
        """Return the name of the slot that a call takes; the caller has taken it (`payments.request_slots`)."""

    def refund(self, payment_id: str, *, amount: Decimal, currency: str, key: str, attempt: str) -> RefundAnswer:
        """Refund `amount` (in units of `currency`) of a payment, once for equal keys. Raises nothing.

        `attempt` is stored with the refund; `look_up` returns it.
        """

    def look_up(self, payment_id: str, *, currency: str) -> list[ListedRefund]:
        """Return every refund of a payment, also those that this shop did not send. Raises `LookUpFailed`."""


def fingerprint_of(*content: Any) -> str:
    """Return the SHA-256 (hex) of a message's content after translation."""
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()
