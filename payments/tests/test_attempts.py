"""Payments that the shop makes: what a buyer is answered, what is refused, and when the provider is asked."""

from datetime import timedelta

import pytest

from checkout import orders
from checkout.models import Order, ProvedPaymentId
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.core.capacity.bulkheads import Bulkhead
from payments import attempts
from payments.attempts import asking
from payments.inbox import batching as inbox_batching
from payments.models import Payment, PaymentAttempt, WebhookEvent
from payments.providers import PAYMENT_CLIENTS
from payments.tests.support.attempts import (
    add_unasked,
    check,
    close_all,
    deliver,
    let_attempt_pass,
    only_attempt,
    shown,
    start,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(db):
    return OrderFactory(quantity=2, product__price="29.99", product__currency="USD")


def test_the_payment_is_the_orders_and_the_same_when_it_is_asked_for_again(api, provider, order):
    first, second = start(api, order), start(api, order)

    [intent] = provider.objects("payment_intent")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["Cache-Control"] == "no-store"
    payment = first.json()["payment"]
    left = payment.pop("pay_until_in_seconds")
    assert first.json()["order_id"] == str(order.pk)
    assert payment == {
        "provider": "stripe", "kind": "payment_intent", "status": "open", "client_secret": intent["client_secret"],
        "url": None, "publishable_key": "pk_test_local", "pay_until": payment["pay_until"],
    }  # fmt: skip
    assert 850 < left <= 855
    assert second.json()["payment"]["client_secret"] == intent["client_secret"]
    assert (intent["amount"], intent["currency"]) == (5998, "usd")
    assert intent["metadata"].items() >= {"order_id": str(order.pk), "shop_id": "shop-1"}.items()
    assert ProvedPaymentId.objects.get(order=order).proved_by == "attempt"


def test_an_order_shows_its_payment_without_what_pays_it(api, provider, order):
    assert shown(api, order)["payment"] is None
    start(api, order)

    payment = shown(api, order)["payment"]

    assert (payment["provider"], payment["kind"], payment["status"]) == ("stripe", "payment_intent", "open")
    assert payment.keys() == {"provider", "kind", "status", "pay_until", "pay_until_in_seconds"}
    assert shown(api, order)["payment_id"] == only_attempt().payment_id


def test_a_repeated_order_shows_its_payment(api, provider, hold):
    wanted = {"hold_id": str(hold.pk)}, {"Idempotency-Key": "k" * 20}
    placed = api.post("/api/v1/orders", wanted[0], headers=wanted[1])
    order = Order.objects.get()
    start(api, order)

    again = api.post("/api/v1/orders", wanted[0], headers=wanted[1])

    assert (placed.json()["payment"], again.headers["Idempotent-Replayed"]) == (None, "true")
    now, then = again.json(), shown(api, order)
    assert now["payment"].pop("pay_until_in_seconds") >= then["payment"].pop("pay_until_in_seconds")
    assert now["payment"]["status"] == "open"
    assert now == then


def test_the_buyer_pays_and_the_order_is_paid_by_webhook(api, provider, order):
    start(api, order)
    provider.pay(only_attempt().object_id)

    deliver(api, provider)

    assert shown(api, order)["status"] == "paid"
    assert only_attempt().status == "succeeded"
    assert start(api, order).json()["code"] == "order_already_paid"


def test_without_a_webhook_a_check_pays_the_order(api, provider, order):
    start(api, order)
    provider.pay(only_attempt().object_id)
    provider.take_webhooks()

    assert check(api, order).json()["status"] == "paid"
    assert only_attempt().status == "succeeded"
    assert Payment.objects.get().payment_id == only_attempt().payment_id


def test_an_order_is_asked_about_once_in_five_seconds(api, provider, order):
    start(api, order)
    before = len(provider.received())

    assert [check(api, order).status_code for _ in range(3)] == [200, 200, 200]
    assert len(provider.received()) == before + 1
    let_attempt_pass(only_attempt(), seconds=attempts.CHECK_SECONDS)
    check(api, order)
    check(api, order)
    assert len(provider.received()) == before + 2


def test_money_that_is_not_applied_yet_is_not_taken_again(api, provider, order, monkeypatch):
    """The inbox is too busy to apply what a check finds: the worker does it later, and there may be none."""
    start(api, order)
    provider.pay(only_attempt().object_id)
    let_attempt_pass(only_attempt(), seconds=6)
    with monkeypatch.context() as patch:
        patch.setattr(inbox_batching, "_locks", Bulkhead(lambda: 0))
        check(api, order)
    assert shown(api, order)["status"] == "pending_payment"

    again = start(api, order)

    assert (again.status_code, again.json()["code"]) == (409, "order_already_paid")
    assert len(provider.objects("payment_intent")) == 1


def test_money_in_review_is_not_taken_again(api, provider, order, settings):
    start(api, order)
    provider.pay(only_attempt().object_id)
    let_attempt_pass(only_attempt(), seconds=6)
    settings.STRIPE_LIVEMODE = True
    check(api, order)
    assert WebhookEvent.objects.get().status == "needs_review"

    assert start(api, order).json()["code"] == "order_already_paid"
    assert len(provider.objects("payment_intent")) == 1


def test_a_declined_card_leaves_the_payment_open(api, provider, order):
    start(api, order)
    provider.decline(only_attempt().object_id)

    deliver(api, provider)

    assert shown(api, order)["status"] == "pending_payment"
    assert start(api, order).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"amount": "1.00"}, "#/amount"),
        ({"currency": "USD"}, "#/currency"),
        ({"return_url": "http://shop.example.com\\@evil.test/"}, "#/return_url"),
        ({"return_url": "https://evil.test/"}, "#/return_url"),
        ({"return_url": "javascript:alert(1)"}, "#/return_url"),
        ({"return_url": "https://user@testserver/"}, "#/return_url"),
        ({"return_url": 5}, "#/return_url"),
    ],
)
def test_a_wrong_body_is_refused_and_stores_nothing(api, provider, order, settings, body, pointer):
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = start(api, order, **body)

    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert not PaymentAttempt.objects.exists()


def test_hosted_checkout_answers_with_its_page(api, provider, order, settings):
    settings.STRIPE_PAYMENT_MODE = "checkout"
    settings.ALLOWED_HOSTS = ["testserver"]
    assert start(api, order).json()["errors"][0]["pointer"] == "#/return_url"

    answer = start(api, order, return_url="http://testserver/thanks")
    payment = answer.json()["payment"]
    [session] = provider.objects("checkout.session")

    assert answer.status_code == 201
    assert (payment["kind"], payment["url"], payment["client_secret"]) == ("checkout_session", session["url"], None)
    provider.pay(session["id"])
    deliver(api, provider)
    assert shown(api, order)["status"] == "paid"
    close_all()
    assert only_attempt().status == "succeeded"
    assert Payment.objects.count() == 1


def test_hosted_checkout_that_is_cancelled_cannot_be_paid(api, provider, order, settings):
    settings.STRIPE_PAYMENT_MODE = "checkout"
    settings.ALLOWED_HOSTS = ["testserver"]
    start(api, order, return_url="http://testserver/thanks")
    orders.cancel(order.pk)

    close_all()

    assert provider.objects("checkout.session")[0]["status"] == "expired"
    assert only_attempt().status == "closed"


class TestRefusals:
    def test_an_order_that_is_over(self, api, provider, order):
        orders.cancel(order.pk)
        assert start(api, order).json()["code"] == "order_not_pending"
        expired = OrderFactory()
        let_order_pass(expired)
        assert start(api, expired).json()["code"] == "order_not_pending"

    def test_an_order_near_its_deadline(self, api, provider, order):
        let_order_pass(order, seconds=856)
        assert start(api, order).json()["code"] == "payment_closed"
        assert not PaymentAttempt.objects.exists()

    def test_no_provider(self, api, order, settings):
        settings.SHOP_MAKES_PAYMENTS = False
        assert (start(api, order).status_code, start(api, order).json()["code"]) == (409, "payment_not_possible")

    def test_an_amount_below_the_minimum(self, api, provider):
        cheap = OrderFactory(product__price="0.10")
        assert start(api, cheap).json()["code"] == "payment_not_possible"
        assert provider.received() == []

    def test_an_amount_that_the_provider_refuses(self, api, provider, order, monkeypatch):
        monkeypatch.setattr(type(PAYMENT_CLIENTS["stripe"]), "refusal", lambda *_: "")
        cheap = OrderFactory(product__price="0.10")
        assert start(api, cheap).json()["code"] == "payment_not_possible"
        assert only_attempt().status == "failed"
        assert start(api, cheap).json()["code"] == "payment_not_possible"
        assert len(provider.received()) <= 1

    def test_a_provider_that_was_switched_off_since(self, api, provider, order, settings):
        start(api, order)
        settings.SHOP_MAKES_PAYMENTS, settings.STRIPE_PUBLISHABLE_KEY = False, ""
        assert start(api, order).json()["code"] == "payment_not_possible"

    def test_a_payment_that_its_shop_made(self, api, provider, order):
        ProvedPaymentId.objects.create(
            payment_id="pi_of_the_storefront", order=order, proved_by="token", proved_at=order.created_at
        )
        assert start(api, order).json()["code"] == "payment_not_possible"

    def test_an_unknown_order(self, api, provider):
        path = "/api/v1/orders/00000000-0000-4000-8000-000000000000/payment"
        assert (api.post(path, {}).status_code, api.post(f"{path}/check").status_code) == (404, 404)

    def test_more_buyers_than_the_provider_can_serve_in_time(self, api, provider, order, settings):
        settings.STRIPE_REQUESTS_PER_SECOND = 1
        let_order_pass(order, seconds=853)
        other = OrderFactory.create_batch(4)
        for waiting in other:
            add_unasked(waiting)

        answer = start(api, order)

        assert (answer.status_code, answer.json()["code"]) == (503, "payment_provider_unavailable")
        assert answer.headers["Retry-After"]
        assert not PaymentAttempt.objects.filter(order=order).exists()


def test_an_error_about_one_attempt_delays_no_other(provider, api, order, monkeypatch):
    start(api, order)
    orders.cancel(order.pk)

    def fail(*_args, **_kwargs):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(asking, "carry_out", fail)
        assert attempts.run_due() == 0
    let_attempt_pass(only_attempt(), seconds=60)
    close_all()

    assert only_attempt().status == "closed"


def test_open_payments_are_looked_up_after_five_minutes(api, provider, order):
    start(api, order)
    provider.pay(only_attempt().object_id)
    assert attempts.look_up_due() == 0
    let_attempt_pass(only_attempt(), seconds=301)

    assert attempts.look_up_due() == 1
    assert shown(api, order)["status"] == "paid"


def test_a_restored_copy_with_another_name_asks_about_nothing(api, provider, order, settings):
    start(api, order)
    settings.SHOP_ID = "copy-of-shop-1"
    let_attempt_pass(only_attempt(), seconds=900)
    before = len(provider.received())

    attempts.run_due()
    attempts.look_up_due()

    assert len(provider.received()) == before
    assert only_attempt().status == "open"
    assert start(api, order).json()["code"] in ("payment_closed", "payment_not_possible")


def test_the_price_is_that_of_the_hold(api, provider, order):
    order.product.price = "99.99"
    order.product.save()

    start(api, order)

    assert provider.objects("payment_intent")[0]["amount"] == 5998


def test_pay_until_is_at_most_half_of_the_window(settings, order):
    settings.PAYMENT_CLOSE_SECONDS = 45
    order.payment_due_at = order.created_at + timedelta(seconds=60)

    assert (order.payment_due_at - attempts.pay_until_of(order)).total_seconds() == 30


def test_a_payment_that_its_shop_made_is_asked_about_once_in_five_seconds(api, provider, order):
    intent = provider.add_paid_intent("pi_9", 5998, metadata={"order_id": str(order.pk)})
    ProvedPaymentId.objects.create(payment_id=intent["id"], order=order, proved_by="token", proved_at=order.created_at)

    answers = [check(api, order).json()["status"] for _ in range(2)]

    assert answers == ["paid", "paid"]
    assert len(provider.received()) == 1


def test_nothing_is_asked_about_an_order_without_a_payment(api, provider, order):
    assert check(api, order).json()["status"] == "pending_payment"
    assert provider.received() == []


def test_of_several_payments_that_its_shop_made_the_newest_of_the_provider_is_asked_about(api, provider, order):
    old, new = (provider.add_paid_intent(name, 5998, metadata={"order_id": str(order.pk)}) for name in ("pi_a", "pi_b"))
    # As they are stored after the proof of the newest was replaced.
    for payment_id, minutes in (("cash-1", 3), (new["id"], 2), (old["id"], 1)):
        ProvedPaymentId.objects.create(
            payment_id=payment_id,
            order=order,
            proved_by="token",
            proved_at=order.created_at + timedelta(minutes=minutes),
        )

    check(api, order)

    assert [one.path for one in provider.received()] == [f"/v1/payment_intents/{new['id']}"]
