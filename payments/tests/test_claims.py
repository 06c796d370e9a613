"""A payment id that a buyer only claims decides nothing."""

import re

import pytest
from django.contrib.auth import get_user_model

from catalog.tests.factories import ProductFactory
from checkout.models import Order, ProvedPaymentId
from checkout.tests.factories import HoldFactory, OrderFactory
from payments import inbox
from payments.models import Payment, WebhookEvent
from payments.tests.factories import let_event_pass, receive, send
from payments.tests.support.ordering import place, status_of

pytestmark = pytest.mark.usefixtures("claims_prove_nothing")
DAY_SECONDS = 25 * 3600


def test_a_claimed_payment_does_not_pay_the_order_of_its_claimant(api, product, attacker):
    victim = place(api, HoldFactory(product=product), payment_id="pay_1")

    parked = send(api, payment_id="pay_1")

    assert (parked.status_code, parked.json()["outcome"]) == (202, "parked")
    assert (status_of(attacker), status_of(victim)) == ("pending_payment", "pending_payment")
    assert attacker["payment_id"] == victim["payment_id"] == "pay_1"


def test_an_order_that_claims_a_parked_payment_is_not_born_paid(api, product):
    send(api, payment_id="pay_1")

    claimant = place(api, HoldFactory(product=product), payment_id="pay_1")

    assert claimant["status"] == "pending_payment"
    assert WebhookEvent.objects.get().status == "parked"


@pytest.mark.parametrize("amount", [{}, {"amount": "29.99", "currency": "USD"}])
def test_money_that_names_a_claimed_payment_only_is_for_staff_in_the_end(api, attacker, amount):
    send(api, payment_id="pay_1", **amount)
    let_event_pass(WebhookEvent.objects.get(), seconds=DAY_SECONDS)

    inbox.process_due()

    assert WebhookEvent.objects.get().status == "needs_review"
    assert status_of(attacker) == "pending_payment"
    assert not Payment.objects.exists()


def test_staff_see_which_orders_claim_the_payment(admin_client, api, attacker):
    send(api, payment_id="pay_1")

    page = admin_client.get(f"/admin/payments/webhookevent/{WebhookEvent.objects.get().pk}/change/")

    assert attacker["order_id"] in page.text


def test_staff_see_whose_the_payment_is_although_the_order_shows_another_one(admin_client, api, product, attacker):
    owner = OrderFactory(product=product)
    send(api, order_id=str(owner.pk), payment_id="pay_1", amount="1.00")
    send(api, order_id=str(owner.pk), payment_id="pay_2")
    doubtful = receive(order_id=OrderFactory(product=product).pk, payment_id="pay_1").event

    page = admin_client.get(f"/admin/payments/webhookevent/{doubtful.pk}/change/").text

    assert re.search(rf"/{owner.pk}/change/\">[^<]*</a>: [^;()]* \(proved\)", page)
    assert re.search(rf"/{attacker['order_id']}/change/\">[^<]*</a>: [^;()]* \(claimed by its buyer\)", page)


def test_the_rightful_order_is_paid_whatever_was_claimed(api, product, attacker):
    rightful = place(api, HoldFactory(product=product))

    answer = send(api, order_id=rightful["order_id"], payment_id="pay_1", amount="29.99", currency="USD").json()

    assert (answer["outcome"], answer["order_status"]) == ("applied", "paid")
    assert api.get(f"/api/v1/orders/{rightful['order_id']}").json()["payment_id"] == "pay_1"
    assert status_of(attacker) == "pending_payment"


def test_a_failure_of_a_claimed_payment_cancels_nothing(api, attacker):
    assert send(api, status="failure", payment_id="pay_1").json()["outcome"] == "parked"
    assert status_of(attacker) == "pending_payment"


def test_a_token_without_the_scope_only_claims(api, product, storefront):
    order = place(api, HoldFactory(product=product), token=storefront, payment_id="pay_1")

    assert send(api, payment_id="pay_1").json()["outcome"] == "parked"
    assert status_of(order) == "pending_payment"


def test_local_mode_takes_claims_as_proved(api, product, settings):
    settings.TRUST_CLAIMED_PAYMENT_IDS = True
    order = place(api, HoldFactory(product=product), payment_id="pay_1")

    assert send(api, payment_id="pay_1").json()["outcome"] == "applied"
    assert status_of(order) == "paid"


def test_the_claim_of_a_buyer_is_kept_and_echoed(api, product):
    made = place(api, HoldFactory(product=product), payment_id="pay_1")

    assert api.get(f"/api/v1/orders/{made['order_id']}").json()["payment_id"] == "pay_1"
    assert not ProvedPaymentId.objects.exists()
    assert get_user_model().objects.count() == 0


def test_a_second_buyer_of_another_product_cannot_buy_with_the_same_payment(api, product):
    """A payment of another shop on the same account, seen in its buyer's browser."""
    other = ProductFactory()
    place(api, HoldFactory(product=other), payment_id="pi_of_another_shop")

    assert send(api, payment_id="pi_of_another_shop", amount="29.99", currency="USD").json()["outcome"] == "parked"
    assert set(Order.objects.values_list("status", flat=True)) == {"pending_payment"}


def test_of_a_plain_providers_failures_an_order_without_a_proved_payment_takes_any(api, attacker):
    answer = send(api, status="failure", order_id=attacker["order_id"], payment_id="pay_2").json()

    assert (answer["outcome"], status_of(attacker)) == ("applied", "cancelled")
