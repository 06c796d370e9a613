"""What a provider's API offers to a shop that makes payments itself: start, end, look up, find, list."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

from payments.models import PaymentAttempt

# The calls that send requests.
Call = Literal["start", "end", "look_up", "look_up_payment", "find", "list_events", "list_payments"]


class PaymentState(Enum):
    """What can become of a payment at its provider.

    PROCESSING: the buyer has paid, and the provider does not know yet whether the money comes; it cannot be ended.
    """

    PAYABLE = "payable"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class PaymentObject:
    """A payment intent or session as its provider described it just now.

    `payment_id` is the payment's id where it is known yet, `url` the page of a session. `event` is set for one that
    succeeded: the body of the event that the provider would post about it, for the inbox; its id is made of the
    payment's (`{payment_id}:succeeded`), so that it is stored once however often it is asked for. `attempt_id` and
    `shop_id` are what the shop wrote into its metadata.
    """

    object_id: str
    state: PaymentState
    payment_id: str | None = None
    client_secret: str = ""
    url: str = ""
    attempt_id: UUID | None = None
    shop_id: str = ""
    amount: Decimal | None = None
    currency: str = ""
    event: bytes | None = None


class Outcome(Enum):
    """What a provider's answer means.

    REFUSED: definitely not done. MISSING: it knows no such object. UNKNOWN: no definite answer, it may have been done
    or not. LIMITED: not done, because of too many requests.
    """

    DONE = "done"
    REFUSED = "refused"
    MISSING = "missing"
    UNKNOWN = "unknown"
    LIMITED = "limited"


@dataclass(frozen=True, kw_only=True)
class PaymentAnswer:
    """A provider's answer about one payment; `payment` describes it where the outcome is DONE.

    `reason` says in a word why it was refused: `amount_too_small`, `currency_unknown`, or `refused` for all else.
    `key_is_spent` when the same idempotency key would get this answer again.
    """

    outcome: Outcome
    payment: PaymentObject | None = None
    reason: str = ""
    detail: str = ""
    key_is_spent: bool = False


class ListingFailed(Exception):
    """The provider did not give a whole list; the message is for people."""


class PaymentClient(Protocol):
    """A payment provider's API for payments that the shop makes. Every call blocks for `timeout` seconds at most.

    The caller holds no transaction and no connection, and has taken the request's slot (`payments.request_slots`).
    """

    def is_enabled(self) -> bool:
        """Say whether this deployment makes payments with it: all that it takes is configured."""

    def kind(self) -> PaymentAttempt.Kind:
        """Return the kind of payment that this deployment makes."""

    def refusal(self, amount: Decimal, currency: str) -> str:
        """Return why it cannot take this amount (in units of `currency`), in a sentence; empty when it may."""

    def makes_such_ids(self, payment_id: str) -> bool:
        """Say whether a payment's id has the form that the provider gives them."""

    def slot_of(self, call: Call, attempt: PaymentAttempt | None = None) -> str:
        """Return the name of the slot that a call takes: of the attempt's kind, else of this deployment's.

        A call that has to ask twice (an end that is refused, a session that is complete) and the further pages in
        which it has to `find` take no further slots.
        """

    def start(self, attempt: PaymentAttempt, *, key: str, timeout: float) -> PaymentAnswer:
        """Make the attempt's payment, once for equal keys. Raises nothing.

        The attempt comes with its order loaded, and with the order's product.
        """

    def end(self, attempt: PaymentAttempt, *, timeout: float) -> PaymentAnswer:
        """Make sure that it cannot be paid any more; the answer says what became of it. Raises nothing.

        The state is ENDED, or SUCCEEDED or PROCESSING where the buyer was first.
        """

    def look_up(self, attempt: PaymentAttempt, *, timeout: float) -> PaymentAnswer:
        """Return the payment as it is now. Raises nothing."""

    def look_up_payment(self, payment_id: str, *, timeout: float) -> PaymentAnswer:
        """Return a payment that the shop did not make itself, by its payment id. Raises nothing."""

    def find(self, attempt: PaymentAttempt, *, timeout: float) -> PaymentAnswer:
        """Search the provider's list for the payment that carries the attempt's id. Raises nothing.

        MISSING: it was never made, or the list does not show it yet, or is too long to be read.
        """

    def list_events(self, *, since: datetime, before_page: Callable[[], None]) -> Iterator[bytes]:
        """Return the bodies of the account's events since a time by its clock, the newest first.

        Asks page by page, of 100 items each; `before_page` waits for the slot of each. Raises `ListingFailed`.
        """

    def list_payments(self, *, since: datetime, before_page: Callable[[], None]) -> Iterator[PaymentObject]:
        """Return this shop's payments that were made since a time, the newest first: as `list_events`."""
