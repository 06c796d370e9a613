"""Payments that the shop makes through Stripe's API: payment intents, or sessions of hosted checkout.

Source: https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/api/checkout/sessions and
https://docs.stripe.com/api/idempotent_requests.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.conf import settings

from payments.models import PaymentAttempt
from payments.providers.payment_client import (
    Call,
    ListingFailed,
    Outcome,
    PaymentAnswer,
    PaymentClient,
    PaymentObject,
    PaymentState,
)
from payments.providers.stripe import listing, payment_objects, payment_parameters
from payments.providers.stripe.api import EVENTS, INTENTS, SESSIONS, Json, RequestFailed, ask, object_path
from payments.providers.stripe.events import TYPES
from payments.providers.stripe.limits import judge
from payments.providers.stripe.payment_objects import Unreadable

Kind = PaymentAttempt.Kind

INTENT_ID = re.compile(r"pi_\w+", re.ASCII)
# Each has a rate limit of its own at Stripe.
ENDPOINTS: dict[tuple[Call, Kind], str] = {
    ("start", Kind.PAYMENT_INTENT): f"POST {INTENTS}",
    ("end", Kind.PAYMENT_INTENT): f"POST {INTENTS}/cancel",
    ("look_up", Kind.PAYMENT_INTENT): f"GET {INTENTS}/id",
    ("find", Kind.PAYMENT_INTENT): f"GET {INTENTS}",
    ("start", Kind.CHECKOUT_SESSION): f"POST {SESSIONS}",
    ("end", Kind.CHECKOUT_SESSION): f"POST {SESSIONS}/expire",
    ("look_up", Kind.CHECKOUT_SESSION): f"GET {SESSIONS}/id",
    ("find", Kind.CHECKOUT_SESSION): f"GET {SESSIONS}",
}
ENDPOINTS_OF_ALL: dict[Call, str] = {
    "look_up_payment": f"GET {INTENTS}/id",
    "list_events": f"GET {EVENTS}",
    "list_payments": f"GET {INTENTS}",
}
OTHER_SHOP = "It was made by another shop, or by the one that this is a copy of."
OTHER_ATTEMPT = "It carries the id of another payment, or of another shop."
NEVER_MADE = "Stripe's list does not show it."
TOO_MANY = "Stripe's list is too long to find it in; if it was made, what it is paid with was lost with the answer."


class StripePayments(PaymentClient):
    def is_enabled(self) -> bool:
        return settings.SHOP_MAKES_PAYMENTS

    def kind(self) -> PaymentAttempt.Kind:
        return Kind.CHECKOUT_SESSION if settings.STRIPE_PAYMENT_MODE == "checkout" else Kind.PAYMENT_INTENT

    def refusal(self, amount: Decimal, currency: str) -> str:
        unchargeable = judge(amount, currency)
        return unchargeable.detail if unchargeable else ""

    def makes_such_ids(self, payment_id: str) -> bool:
        return INTENT_ID.fullmatch(payment_id) is not None

    def slot_of(self, call: Call, attempt: PaymentAttempt | None = None) -> str:
        kind = self.kind() if attempt is None else Kind(attempt.kind)
        return f"stripe {ENDPOINTS_OF_ALL.get(call) or ENDPOINTS[call, kind]}"

    def start(self, attempt: PaymentAttempt, *, key: str, timeout: float) -> PaymentAnswer:
        if not _is_of_this_shop(attempt):
            return PaymentAnswer(outcome=Outcome.REFUSED, reason="refused", detail=OTHER_SHOP)
        if unchargeable := judge(attempt.amount, attempt.currency):
            return PaymentAnswer(outcome=Outcome.REFUSED, reason=unchargeable.reason, detail=unchargeable.detail)

        def make() -> PaymentObject:
            return _described(_make(attempt, key, timeout), attempt.kind, time.monotonic() + timeout)

        answer = _answer(make, attempt)
        if answer.outcome == Outcome.MISSING:
            # Either the address of the API is wrong, or the key was used for another payment.
            is_reused = answer.detail == OTHER_ATTEMPT
            return replace(answer, outcome=Outcome.UNKNOWN, key_is_spent=is_reused)
        return answer

    def end(self, attempt: PaymentAttempt, *, timeout: float) -> PaymentAnswer:
        ends_at = time.monotonic() + timeout
        answer = _answer_about(attempt, lambda object_id: _end(object_id, attempt.kind, ends_at))
        if answer.payment and answer.payment.state == PaymentState.PAYABLE:
            return PaymentAnswer(outcome=Outcome.UNKNOWN, detail="Stripe refuses to end it, and it can still be paid.")
        # Its requests carry no idempotency key of the shop.
        return replace(answer, key_is_spent=False)

    def look_up(self, attempt: PaymentAttempt, *, timeout: float) -> PaymentAnswer:
        ends_at = time.monotonic() + timeout
        answer = _answer_about(attempt, lambda object_id: _retrieve(object_id, attempt.kind, ends_at))
        return replace(answer, key_is_spent=False)

    def look_up_payment(self, payment_id: str, *, timeout: float) -> PaymentAnswer:
        if not self.makes_such_ids(payment_id):
            return PaymentAnswer(outcome=Outcome.MISSING, detail="The payment's id is none of Stripe's.")
        ends_at = time.monotonic() + timeout
        answer = replace(_answer(lambda: _retrieve(payment_id, Kind.PAYMENT_INTENT, ends_at)), key_is_spent=False)
        if answer.payment and answer.payment.shop_id not in ("", settings.SHOP_ID):
            return PaymentAnswer(outcome=Outcome.MISSING, detail=OTHER_SHOP)
        return answer

    def find(self, attempt: PaymentAttempt, *, timeout: float) -> PaymentAnswer:
        if not _is_of_this_shop(attempt):
            return PaymentAnswer(outcome=Outcome.MISSING, detail=OTHER_SHOP)
        ends_at = time.monotonic() + timeout
        return replace(_answer(lambda: _find(attempt, ends_at), attempt), key_is_spent=False)

    def list_events(self, *, since: datetime, before_page: Callable[[], None] = listing.at_once) -> Iterator[bytes]:
        try:
            for event in listing.events(sorted(TYPES), since=since, before_page=before_page):
                yield payment_objects.without_secrets(event)
        except RequestFailed as error:
            raise ListingFailed(str(error)) from error

    def list_payments(
        self, *, since: datetime, before_page: Callable[[], None] = listing.at_once
    ) -> Iterator[PaymentObject]:
        try:
            for intent in listing.intents(since=since, before_page=before_page):
                # What other shops made in the account need not be readable here.
                if payment_objects.shop_id_of(intent) == settings.SHOP_ID:
                    yield payment_objects.of_intent(intent)
        except RequestFailed as error:
            raise ListingFailed(str(error)) from error
        except Unreadable as error:
            raise ListingFailed("Stripe's list holds a payment that cannot be read.") from error


class _NotFound(Exception):
    """The list does not show the payment, or is too long; the message is for people."""


def _is_of_this_shop(attempt: PaymentAttempt) -> bool:
    return attempt.shop_id == settings.SHOP_ID


def _answer_about(attempt: PaymentAttempt, fetch: Callable[[str], PaymentObject]) -> PaymentAnswer:
    """Return what is fetched about an attempt's object, which is of this shop and known."""
    object_id = attempt.object_id
    if not _is_of_this_shop(attempt):
        return PaymentAnswer(outcome=Outcome.MISSING, detail=OTHER_SHOP)
    if not object_id:
        return PaymentAnswer(outcome=Outcome.MISSING, detail="Its id at Stripe is not known.")
    return _answer(lambda: fetch(object_id), attempt)


def _answer(fetch: Callable[[], PaymentObject], attempt: PaymentAttempt | None = None) -> PaymentAnswer:
    """Return what is fetched; MISSING when it does not carry the ids of `attempt`, where one is given."""
    try:
        payment = fetch()
    except _NotFound as error:
        return PaymentAnswer(outcome=Outcome.MISSING, detail=str(error))
    except Unreadable:
        return PaymentAnswer(outcome=Outcome.UNKNOWN, detail="Stripe's description of it cannot be read.")
    except RequestFailed as error:
        return _failed(error)
    if attempt is not None and (payment.attempt_id, payment.shop_id) != (attempt.pk, attempt.shop_id):
        return PaymentAnswer(outcome=Outcome.MISSING, detail=OTHER_ATTEMPT)
    if attempt is not None and payment.state == PaymentState.PAYABLE and not (payment.client_secret or payment.url):
        return PaymentAnswer(outcome=Outcome.UNKNOWN, detail="Stripe's description lacks what it is paid with.")
    return PaymentAnswer(outcome=Outcome.DONE, payment=payment)


def _failed(error: RequestFailed) -> PaymentAnswer:
    if error.is_limited:
        return PaymentAnswer(outcome=Outcome.LIMITED, detail=str(error))
    if error.is_missing:
        return PaymentAnswer(outcome=Outcome.MISSING, detail=str(error))
    if error.is_refusal:
        return PaymentAnswer(outcome=Outcome.REFUSED, reason=_reason_of(error), detail=str(error))
    return PaymentAnswer(outcome=Outcome.UNKNOWN, detail=str(error), key_is_spent=error.is_key_spent)


def _reason_of(error: RequestFailed) -> str:
    if error.code == "amount_too_small":
        return error.code
    return "currency_unknown" if error.param.endswith(("currency", "[currency]")) else "refused"


def _make(attempt: PaymentAttempt, key: str, seconds: float) -> Json:
    if attempt.kind == Kind.CHECKOUT_SESSION:
        return ask("post", SESSIONS, payment_parameters.of_session(attempt), key=key, seconds=seconds)
    return ask("post", INTENTS, payment_parameters.of_intent(attempt), key=key, seconds=seconds)


def _end(object_id: str, kind: str, ends_at: float) -> PaymentObject:
    """End an object, or when Stripe refuses that because of what it is, return that. Raises as `ask`, `Unreadable`."""
    is_session = kind == Kind.CHECKOUT_SESSION
    collection, verb = (SESSIONS, "expire") if is_session else (INTENTS, "cancel")
    try:
        return _described(ask("post", object_path(collection, object_id, verb), seconds=_left(ends_at)), kind, ends_at)
    except RequestFailed as error:
        if not error.is_refusal:
            raise
    return _retrieve(object_id, kind, ends_at)


def _retrieve(object_id: str, kind: str, ends_at: float) -> PaymentObject:
    """Return an object as it is now. Raises as `ask`, `Unreadable`."""
    collection = SESSIONS if kind == Kind.CHECKOUT_SESSION else INTENTS
    return _described(ask("get", object_path(collection, object_id), seconds=_left(ends_at)), kind, ends_at)


def _described(content: Json, kind: str, ends_at: float) -> PaymentObject:
    """Return what an answer says; of a completed session its intent is asked for. Raises as `ask`, `Unreadable`."""
    if kind == Kind.PAYMENT_INTENT:
        return payment_objects.of_intent(content)
    intent_id = payment_objects.intent_id_in(content)
    is_complete = content.get("status") == "complete" and intent_id is not None
    intent = _retrieve(intent_id, Kind.PAYMENT_INTENT, ends_at) if intent_id and is_complete else None
    return payment_objects.of_session(content, intent)


def _find(attempt: PaymentAttempt, ends_at: float) -> PaymentObject:
    """Return the listed object that carries an attempt's id. Raises `_NotFound`, as `ask`, `Unreadable`."""
    return _described(_listed(attempt, ends_at), attempt.kind, ends_at)


def _listed(attempt: PaymentAttempt, ends_at: float) -> Json:
    """Return what a list shows with an attempt's id. Raises `_NotFound`, `RequestFailed`.

    A list that ends in the middle is not read again: in a rush it grows, and its pages take requests from others.
    """
    list_all = listing.sessions if attempt.kind == Kind.CHECKOUT_SESSION else listing.intents
    until = attempt.asked_at or attempt.key_used_at
    read = 0
    try:
        for content in list_all(since=attempt.created_at, until=until, ends_at=ends_at):
            if payment_objects.metadata_of(content).uuid("attempt_id") == attempt.pk:
                return content
            read += 1
    except RequestFailed as error:
        if read >= listing.PAGE_ITEMS:
            raise _NotFound(TOO_MANY) from error
        if error.is_limited:
            raise
        # What Stripe says of the list says nothing of the payment.
        raise RequestFailed(str(error)) from error
    raise _NotFound(NEVER_MADE)


def _left(ends_at: float) -> float:
    """Return the seconds that are left; raises `RequestFailed` when there are none."""
    left = ends_at - time.monotonic()
    if left <= 0:
        raise RequestFailed("Stripe's answers took too long.")
    return left
