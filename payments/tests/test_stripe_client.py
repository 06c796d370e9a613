"""Payments that the shop makes through Stripe's API: made once, ended, looked up and found."""

import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import stripe
from django.utils import timezone

from flashsale.local_provider.api import currencies
from flashsale.local_provider.running import running
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import ListingFailed, Outcome, PaymentState
from payments.providers.stripe import api, events, limits, listing
from payments.tests.support.shop_payments import API_KEY, SECONDS, SHOP, new_attempt, use_stripe_at

client = PAYMENT_CLIENTS["stripe"]
INTENT, SESSION = "payment_intent", "checkout_session"
KINDS = pytest.mark.parametrize("kind", [INTENT, SESSION])


@pytest.fixture(scope="module")
def shared_provider():
    with running(api_key=API_KEY, requests_per_second=10_000) as provider:
        yield provider


@pytest.fixture(autouse=True)
def provider(shared_provider, settings):
    """A provider that behaves well; the tests share its objects."""
    shared_provider.set_habits()
    use_stripe_at(shared_provider.url, settings)
    yield shared_provider
    shared_provider.set_habits()


def started(kind: str = INTENT, **members):
    """Return an attempt whose payment was made."""
    attempt = new_attempt(kind, **members)
    attempt.object_id = client.start(attempt, key=str(attempt.pk), timeout=SECONDS).payment.object_id
    return attempt


def state_of(answer) -> PaymentState:
    assert answer.outcome == Outcome.DONE, answer
    return answer.payment.state


@KINDS
def test_a_payment_is_made_once_for_its_key_and_carries_what_it_belongs_to(provider, kind):
    attempt = new_attempt(kind)

    first, again = (client.start(attempt, key=f"{attempt.pk}:1", timeout=SECONDS) for _ in range(2))
    found = client.find(attempt, timeout=SECONDS)

    assert first == again
    made = first.payment
    assert (first.outcome, made.state, made.amount, made.currency) == (
        Outcome.DONE, PaymentState.PAYABLE, Decimal("59.98"), "USD",
    )  # fmt: skip
    assert (made.attempt_id, made.shop_id, bool(made.client_secret), bool(made.url)) == (
        attempt.pk, SHOP, kind == INTENT, kind == SESSION,
    )  # fmt: skip
    assert replace(found.payment, client_secret=made.client_secret) == made
    assert provider.find(made.object_id)["metadata"] == {
        "order_id": str(attempt.order_id), "hold_id": str(attempt.order.hold_id),
        "attempt_id": str(attempt.pk), "shop_id": SHOP,
    }  # fmt: skip


@KINDS
def test_what_was_paid_is_told_as_the_event_that_stripe_would_post(provider, kind):
    attempt = started(kind)
    provider.pay(attempt.object_id)

    answers = [call(attempt, timeout=SECONDS) for call in (client.end, client.look_up, client.find)]

    assert {state_of(answer) for answer in answers} == {PaymentState.SUCCEEDED}
    [body] = {answer.payment.event for answer in answers}
    told = events.translate(body)
    payment_id = answers[0].payment.payment_id
    assert payment_id.startswith("pi_")
    assert (told.event_id, told.type, told.kind, told.malformed) == (
        f"{payment_id}:succeeded", "payment_intent.succeeded", "success", "",
    )  # fmt: skip
    assert (told.order_id, told.hold_id, told.payment_id) == (attempt.order_id, attempt.order.hold_id, payment_id)
    assert (told.amount, told.currency) == (Decimal("59.98"), "USD")
    assert b"secret" not in body
    assert client.look_up_payment(payment_id, timeout=SECONDS).payment.event == body


@KINDS
def test_what_was_ended_cannot_be_paid_and_stays_ended(provider, kind):
    attempt = started(kind)
    provider.decline(attempt.object_id)

    ended = [client.end(attempt, timeout=SECONDS) for _ in range(2)]

    assert [state_of(answer) for answer in ended] == [PaymentState.ENDED] * 2
    assert (ended[0].payment.client_secret, ended[0].payment.url, ended[0].payment.event) == ("", "", None)
    assert state_of(client.look_up(attempt, timeout=SECONDS)) == PaymentState.ENDED


@KINDS
def test_an_end_that_comes_too_late_answers_what_was_paid(provider, kind):
    attempt = started(kind)
    provider.set_habits(cancel="too_late")

    answer = client.end(attempt, timeout=SECONDS)

    assert state_of(answer) == PaymentState.SUCCEEDED
    assert answer.payment.event


@pytest.mark.parametrize(("outcome", "state"), [("succeeded", "succeeded"), ("failed", "ended")])
def test_a_payment_that_takes_its_time_is_told_as_such(provider, outcome, state):
    provider.set_habits(processing=True)
    attempt = started(SESSION)
    provider.pay(attempt.object_id)

    before = client.end(attempt, timeout=SECONDS)
    provider.settle(before.payment.payment_id, outcome)

    assert state_of(before) == PaymentState.PROCESSING
    assert state_of(client.look_up(attempt, timeout=SECONDS)) == PaymentState(state)


@pytest.mark.parametrize(
    ("pay_for", "lives"),
    [
        (timedelta(minutes=14), timedelta(hours=1)),
        (timedelta(hours=2), timedelta(hours=2, minutes=35)),
        (timedelta(days=2), timedelta(hours=23, minutes=50)),
    ],
)
def test_a_session_ends_by_itself_but_not_before_the_shop_closes_it(provider, pay_for, lives):
    used_at = timezone.now() - timedelta(minutes=5)
    attempt = started(SESSION, key_used_at=used_at, pay_until=used_at + pay_for)

    session = provider.find(attempt.object_id)

    assert session["expires_at"] == int((used_at + lives).timestamp())
    assert (session["success_url"], session["cancel_url"]) == (attempt.return_url,) * 2
    assert (session["client_reference_id"], session["amount_total"]) == (str(attempt.order_id), 5998)


@KINDS
def test_a_list_that_takes_too_long_does_not_show_a_payment(provider, monkeypatch, kind):
    attempt = started(kind)
    for _ in range(20):
        started(kind)
    monkeypatch.setattr(listing, "PAGE_ITEMS", 1)
    provider.set_habits(delay_seconds=0.2)

    assert client.find(attempt, timeout=1).outcome == Outcome.MISSING


@KINDS
@pytest.mark.parametrize(
    ("fault", "outcome", "is_spent"),
    [
        ("401", "unknown", False),
        ("403", "unknown", False),
        ("409", "unknown", False),
        ("429", "limited", False),
        ("lock_timeout", "limited", False),
        ("500", "unknown", True),
        ("made_then_500", "unknown", True),
        ("502", "unknown", True),
        ("dropped", "unknown", False),
        ("reset", "unknown", False),
        ("hang", "unknown", False),
    ],
)
def test_a_fault_says_whether_the_key_would_get_it_again(provider, kind, fault, outcome, is_spent):
    attempt = new_attempt(kind)
    provider.fail_next(fault)

    answer = client.start(attempt, key=str(attempt.pk), timeout=0.3 if fault == "hang" else SECONDS)
    provider.end_waiting()

    assert (answer.outcome, answer.key_is_spent, answer.payment) == (Outcome(outcome), is_spent, None)
    assert answer.detail
    is_made = fault in ("made_then_500", "reset")
    assert client.find(attempt, timeout=SECONDS).outcome == (Outcome.DONE if is_made else Outcome.MISSING)


@KINDS
@pytest.mark.parametrize("fault", ["401", "409", "429", "500", "dropped"])
def test_an_end_or_a_look_up_without_an_answer_is_none(provider, kind, fault):
    attempt = started(kind)

    for call in (client.end, client.look_up, client.find):
        provider.fail_next(fault)
        answer = call(attempt, timeout=SECONDS)
        assert answer.outcome == (Outcome.LIMITED if fault == "429" else Outcome.UNKNOWN)
        assert not answer.key_is_spent
    provider.fail_next(fault)
    assert client.look_up_payment("pi_1", timeout=SECONDS).outcome == answer.outcome


@pytest.mark.parametrize(
    ("price", "currency", "reason"),
    [
        ("0.01", "USD", "amount_too_small"),
        ("0.01", "ZAR", "amount_too_small"),
        ("20", "XTS", "currency_unknown"),
        ("20", "GHS", "currency_unknown"),
        ("9999999", "USD", "refused"),
        ("9999999", "IDR", "refused"),
        ("29.999", "USD", "refused"),
    ],
)
@KINDS
def test_what_cannot_be_made_has_a_reason(provider, kind, price, currency, reason):
    answer = client.start(new_attempt(kind, price=price, currency=currency), key=str(uuid4()), timeout=SECONDS)

    assert (answer.outcome, answer.reason, answer.key_is_spent) == (Outcome.REFUSED, reason, False)
    assert answer.detail


def test_a_key_that_was_used_for_another_payment_is_spent(provider):
    first, other = new_attempt(), new_attempt()
    client.start(first, key="one key", timeout=SECONDS)

    answer = client.start(other, key="one key", timeout=SECONDS)

    assert (answer.outcome, answer.key_is_spent) == (Outcome.UNKNOWN, True)
    assert client.find(other, timeout=SECONDS).outcome == Outcome.MISSING


@KINDS
def test_what_another_shop_or_attempt_made_is_not_ours(provider, settings, kind):
    theirs, mine = started(kind), new_attempt(kind)
    mine.object_id = theirs.object_id

    assert client.look_up(mine, timeout=SECONDS).outcome == Outcome.MISSING
    assert client.look_up(new_attempt(kind), timeout=SECONDS).outcome == Outcome.MISSING
    settings.SHOP_ID = "copy.example"
    asked = len(provider.received())
    answers = [call(theirs, timeout=SECONDS) for call in (client.end, client.look_up, client.find)]
    refused = client.start(theirs, key="new", timeout=SECONDS)

    assert {answer.outcome for answer in answers} == {Outcome.MISSING}
    assert refused.outcome == Outcome.REFUSED
    assert len(provider.received()) == asked
    assert provider.find(theirs.object_id)["status"] in ("open", "requires_payment_method")


def test_a_payment_of_a_storefront_is_looked_up_by_its_id(provider, settings):
    provider.add_paid_intent(f"pi_{uuid4().hex}", 5998)
    of_storefront = provider.objects("payment_intent")[-1]["id"]
    of_another_shop = started().object_id
    settings.SHOP_ID = "copy.example"

    asked = {name: client.look_up_payment(name, timeout=SECONDS) for name in (of_storefront, of_another_shop, "pi_0")}
    before = len(provider.received())
    strange = client.look_up_payment("../refunds", timeout=SECONDS)

    assert state_of(asked[of_storefront]) == PaymentState.SUCCEEDED
    assert {asked[of_another_shop].outcome, asked["pi_0"].outcome, strange.outcome} == {Outcome.MISSING}
    assert len(provider.received()) == before


def test_lists_are_read_page_by_page(provider, monkeypatch):
    since = timezone.now()
    attempts = [started() for _ in range(5)]
    provider.pay(attempts[0].object_id)
    monkeypatch.setattr(listing, "PAGE_ITEMS", 2)

    listed = {payment.object_id: payment for payment in client.list_payments(since=since)}
    told = [events.translate(body) for body in client.list_events(since=since - timedelta(seconds=1))]
    found = client.find(attempts[0], timeout=SECONDS)

    assert {attempt.object_id for attempt in attempts} <= set(listed)
    assert (listed[attempts[0].object_id].state, listed[attempts[0].object_id].attempt_id) == (
        PaymentState.SUCCEEDED, attempts[0].pk,
    )  # fmt: skip
    assert ("payment_intent.succeeded", attempts[0].object_id) in [(event.type, event.payment_id) for event in told]
    assert found.payment.object_id == attempts[0].object_id


@pytest.mark.parametrize("read", [client.list_payments, client.list_events])
def test_each_page_of_a_list_waits_for_its_slot(provider, monkeypatch, read):
    for attempt in [started() for _ in range(5)]:
        provider.pay(attempt.object_id)
    monkeypatch.setattr(listing, "PAGE_ITEMS", 2)
    before, waits = len(provider.received()), []

    # What Stripe has received when each page waits.
    list(read(since=timezone.now(), before_page=lambda: waits.append(len(provider.received()) - before)))

    assert len(waits) > 1
    assert waits == list(range(len(waits)))
    assert len(provider.received()) - before == len(waits)


def test_what_another_shop_made_in_the_account_need_not_be_readable(provider):
    ours = started()
    provider.add_paid_intent("pi_of_another_shop", 5998, currency="zzz", metadata={"shop_id": "shop-2"})

    listed = [payment.object_id for payment in client.list_payments(since=timezone.now())]

    assert ours.object_id in listed
    assert "pi_of_another_shop" not in listed


def test_a_list_that_breaks_off_says_so(provider, monkeypatch):
    for _ in range(3):
        started()
    monkeypatch.setattr(listing, "PAGE_ITEMS", 1)
    listed = client.list_payments(since=timezone.now())
    next(listed)
    provider.fail_next("500")

    with pytest.raises(ListingFailed):
        list(listed)
    provider.fail_next("429")
    with pytest.raises(ListingFailed):
        list(client.list_events(since=timezone.now()))


@KINDS
def test_no_secret_is_logged_however_much_is(provider, caplog, kind):
    with caplog.at_level(logging.DEBUG):
        made = client.start(new_attempt(kind), key=str(uuid4()), timeout=SECONDS).payment

    assert (made.client_secret or made.url) not in caplog.text
    assert API_KEY not in caplog.text


def test_each_endpoint_has_a_slot_of_its_own(settings):
    calls = ("start", "end", "look_up", "find")
    slots = {client.slot_of(call, new_attempt(kind)) for call in calls for kind in (INTENT, SESSION)}
    settings.STRIPE_PAYMENT_MODE = "checkout"

    assert len(slots) == 8
    assert client.slot_of("start") == client.slot_of("start", new_attempt(SESSION))
    assert client.slot_of("look_up_payment") == client.slot_of("look_up", new_attempt(INTENT))
    assert client.slot_of("list_payments") == client.slot_of("find", new_attempt(INTENT))


def test_the_pinned_version_is_the_one_that_the_library_describes():
    assert stripe.api_version == api.API_VERSION
    assert len(events.TYPES) <= 20


def test_amounts_are_judged_as_stripe_judges_them():
    known = currencies.ZERO_DECIMAL | currencies.TWO_DECIMAL | currencies.THREE_DECIMAL

    assert not known & limits.UNKNOWN
    assert limits.MINIMUMS.items() <= currencies.MINIMUMS.items()
    for currency, minimum in limits.MINIMUMS.items():
        least = Decimal(minimum).scaleb(-events.exponent_of(currency))
        assert (client.refusal(least, currency), bool(client.refusal(least / 2, currency))) == ("", True)
    for amount, currency, may_be in [
        ("999999.99", "USD", True), ("1000000", "USD", False), ("9999999999", "IDR", True), ("1", "XTS", False),
        ("1", "???", False), ("5.120", "KWD", True), ("5.124", "KWD", False), ("5", "ISK", True), ("5000", "JPY", True),
        ("0.01", "ZAR", True), ("29.999", "USD", False),
    ]:  # fmt: skip
        assert (client.refusal(Decimal(amount), currency) == "") is may_be, (amount, currency)
