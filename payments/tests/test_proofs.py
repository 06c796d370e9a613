"""Who pays for what: a payment id that a buyer only claims decides nothing; one that is proved finds its order."""

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model

from catalog.tests.factories import ProductFactory
from checkout import audit, holds
from checkout.models import Order, ProvedPaymentId
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from flashsale.api import authentication
from flashsale.tests.support.problems import problem_of
from payments import inbox
from payments.inbox import review
from payments.models import Payment, WebhookEvent
from payments.tests.factories import let_event_pass, receive, send

DAY_SECONDS = 25 * 3600


@pytest.fixture(autouse=True)
def claims_prove_nothing(settings, db):
    """As in production; afterwards the books are right."""
    settings.TRUST_CLAIMED_PAYMENT_IDS = False
    yield
    assert audit.find_drift() == []


def place(api, hold, *, token: str | None = None, status: int = 201, **members) -> dict:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = api.post("/api/v1/orders", {"hold_id": str(hold.pk), **members}, headers=headers)
    assert response.status_code == status, response.content
    return response.json()


def status_of(order: dict) -> str:
    return Order.objects.get(pk=order["order_id"]).status


@pytest.fixture
def trusted(db) -> str:
    return authentication.make(name="shop", scope_names=["storefront", "payments:claim"])


@pytest.fixture
def storefront(db) -> str:
    return authentication.make(name="app", scope_names=["storefront"])


@pytest.fixture
def attacker(product, api) -> dict:
    """An order of somebody who saw another buyer's payment id and claims it."""
    return place(api, HoldFactory(product=product), payment_id="pay_1")


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

    assert f"{owner.pk}</a> (proved)" in page
    assert f"{attacker['order_id']}</a> (claimed)" in page


def test_the_rightful_order_is_paid_whatever_was_claimed(api, product, attacker):
    rightful = place(api, HoldFactory(product=product))

    answer = send(api, order_id=rightful["order_id"], payment_id="pay_1", amount="29.99", currency="USD").json()

    assert (answer["outcome"], answer["order_status"]) == ("applied", "paid")
    assert api.get(f"/api/v1/orders/{rightful['order_id']}").json()["payment_id"] == "pay_1"
    assert status_of(attacker) == "pending_payment"


def test_a_failure_of_a_claimed_payment_cancels_nothing(api, attacker):
    assert send(api, status="failure", payment_id="pay_1").json()["outcome"] == "parked"
    assert status_of(attacker) == "pending_payment"


def test_a_token_with_the_scope_proves_the_payment_of_its_order(api, product, trusted, attacker):
    rightful = place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")

    answer = send(api, payment_id="pay_1").json()

    assert (answer["outcome"], answer["order_id"]) == ("applied", rightful["order_id"])
    assert status_of(attacker) == "pending_payment"


def test_a_parked_payment_pays_the_order_that_a_token_with_the_scope_places_with_it(api, product, trusted):
    send(api, payment_id="pay_1")

    assert place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")["status"] == "paid"


def test_a_token_without_the_scope_claims_like_anybody(api, product, storefront):
    order = place(api, HoldFactory(product=product), token=storefront, payment_id="pay_1")

    assert send(api, payment_id="pay_1").json()["outcome"] == "parked"
    assert status_of(order) == "pending_payment"


def test_local_mode_takes_claims_as_proved(api, product, settings):
    settings.TRUST_CLAIMED_PAYMENT_IDS = True
    order = place(api, HoldFactory(product=product), payment_id="pay_1")

    assert send(api, payment_id="pay_1").json()["outcome"] == "applied"
    assert status_of(order) == "paid"


@pytest.mark.parametrize("proof", ["token", "event", "payment"])
def test_a_proved_payment_id_is_refused_to_others_and_nothing_changes(api, product, trusted, proof):
    if proof == "token":
        place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")
    else:
        # Money that differs goes to staff, and shows all the same whose payment it is.
        amount = {"amount": "1.00"} if proof == "event" else {}
        send(api, order_id=str(OrderFactory(product=product).pk), payment_id="pay_1", **amount)
    hold = HoldFactory(product=product)
    before = Order.objects.count()

    for token in (None, trusted):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        refused = api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_id": "pay_1"}, headers=headers)
        problem_of(refused, 409, "payment_id_in_use")

    hold.refresh_from_db()
    assert (Order.objects.count(), hold.status) == (before, "active")


@pytest.mark.parametrize(
    "other",
    [
        "PAY_\u00e9",
        "pay_e\u0301",
        " pay_\u00e9",
        "pay_\u00e9 ",
        "pay_\u00e9\n",
        "pay_\u00e9%",
        "p" + "\U0001f600" * 254,
    ],
    ids=ascii,
)
def test_payment_ids_are_the_same_only_character_by_character(api, product, trusted, other):
    order = place(api, HoldFactory(product=product), token=trusted, payment_id="pay_\u00e9")

    assert send(api, payment_id=other).json()["outcome"] == "parked"
    assert status_of(order) == "pending_payment"
    assert place(api, HoldFactory(product=product), token=trusted, payment_id=other)["status"] == "paid"
    assert send(api, payment_id="pay_\u00e9").json()["order_id"] == order["order_id"]


@pytest.mark.parametrize("is_paid", [True, False])
def test_an_order_that_is_placed_again_hears_which_order_it_has(api, product, trusted, is_paid):
    """A back end that lost the answer, and has no Idempotency-Key: the payment id is its own order's."""
    hold = HoldFactory(product=product)
    made = place(api, hold, token=trusted, payment_id="pay_1")
    if is_paid:
        send(api, payment_id="pay_1")

    again = place(api, hold, token=trusted, payment_id="pay_1", status=409)

    assert (again["code"], again["order_id"]) == ("hold_already_used", made["order_id"])


def test_an_event_that_names_an_order_outweighs_a_tokens_word(api, product, trusted):
    mistaken = place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")
    rightful = place(api, HoldFactory(product=product))

    answer = send(api, order_id=rightful["order_id"], payment_id="pay_1").json()

    assert (answer["outcome"], answer["order_id"]) == ("applied", rightful["order_id"])
    assert status_of(mistaken) == "pending_payment"
    assert str(ProvedPaymentId.objects.get().order_id) == rightful["order_id"]


@pytest.mark.parametrize("placed_with", [None, "pay_1"])
@pytest.mark.parametrize("earlier", [{}, {"amount": "1.00"}])
def test_an_event_does_not_outweigh_another_event(api, product, earlier, placed_with):
    first, second = OrderFactory(product=product, payment_id=placed_with), OrderFactory(product=product)
    send(api, order_id=str(first.pk), payment_id="pay_1", **earlier)

    assert send(api, order_id=str(second.pk), payment_id="pay_1").json()["outcome"] == "needs_review"
    assert Order.objects.get(pk=second.pk).status == "pending_payment"


def test_a_tokens_word_counts_once_its_payment_is_known(api, product, trusted):
    place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")
    send(api, payment_id="pay_1")
    second = OrderFactory(product=product)

    assert send(api, order_id=str(second.pk), payment_id="pay_1").json()["outcome"] == "needs_review"
    assert Payment.objects.count() == 1


def test_an_event_that_names_the_payment_only_says_nothing_about_its_order(api, product, trusted):
    """A token's mistake is not made firmer by money that went to review because of it."""
    mistaken = place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")
    assert send(api, payment_id="pay_1", amount="1.00").json()["outcome"] == "needs_review"
    rightful = OrderFactory(product=product)

    assert send(api, order_id=str(rightful.pk), payment_id="pay_1").json()["outcome"] == "applied"
    assert status_of(mistaken) == "pending_payment"


@pytest.mark.parametrize("proof", ["claimed", "token", "event"])
def test_staff_accept_a_payment_for_its_rightful_order_whatever_was_claimed(api, admin_client, product, trusted, proof):
    """L10's kin: what staff decide may not fail because another order carries the payment id."""
    other = HoldFactory(product=product)
    if proof == "event":
        receive(order_id=OrderFactory(product=product).pk, payment_id="pay_1", amount="1.00")
    else:
        place(api, other, token=trusted if proof == "token" else None, payment_id="pay_1")
    rightful = OrderFactory(product=product)
    event = receive(order_id=rightful.pk, payment_id="pay_1", amount="7.00").event
    assert event.status == "needs_review"

    page = admin_client.post(
        "/admin/payments/webhookevent/",
        {
            "action": "accept",
            "_selected_action": [event.pk],
            "confirmed": "yes",
            "note": "Seen",
            "order_id": rightful.pk,
        },
        follow=True,
    )

    assert page.status_code == 200
    assert Order.objects.get(pk=rightful.pk).status == "paid"
    assert ProvedPaymentId.objects.get().order_id == rightful.pk
    assert [(p.order_id, p.status) for p in Payment.objects.all()] == [(rightful.pk, "applied")]


def test_of_a_plain_providers_failures_an_order_without_a_proved_payment_takes_any(api, attacker):
    answer = send(api, status="failure", order_id=attacker["order_id"], payment_id="pay_2").json()

    assert (answer["outcome"], status_of(attacker)) == ("applied", "cancelled")


def test_a_failure_of_another_payment_leaves_an_order_whose_payment_is_proved(api, product, trusted):
    order = place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")

    assert send(api, status="failure", order_id=order["order_id"], payment_id="pay_2").json()["outcome"] == "ignored"
    assert status_of(order) == "pending_payment"
    assert send(api, status="failure", payment_id="pay_1").json()["outcome"] == "applied"
    assert status_of(order) == "cancelled"


def test_a_failure_that_names_no_order_of_ours_is_nothing_for_staff(api, order):
    answer = send(api, status="failure", order_id="order-1234").json()

    assert answer["outcome"] == "ignored"


@pytest.mark.parametrize("reference", ["order_id", "hold_id"])
def test_money_with_a_malformed_reference_is_for_staff(api, order, reference):
    assert send(api, **{reference: "order-1234"}).json()["outcome"] == "needs_review"


@pytest.mark.parametrize("how", ["released", "overdue", "expired"])
@pytest.mark.parametrize(("status", "after"), [("success", "needs_review"), ("failure", "ignored")])
def test_parking_ends_with_the_hold_that_the_event_names(api, product, how, status, after):
    hold = HoldFactory(product=product)
    assert send(api, status=status, hold_id=str(hold.pk), payment_id="pay_1").json()["outcome"] == "parked"
    if how == "released":
        api.delete(f"/api/v1/holds/{hold.pk}")
    else:
        let_hold_pass(hold)
    if how == "expired":
        holds.expire_due()

    inbox.process_due()

    event = WebhookEvent.objects.get()
    assert (event.status, event.reason) == (after, "order_never_came")


def test_an_event_for_a_hold_that_is_over_is_not_parked(api, product):
    hold = HoldFactory(product=product)
    api.delete(f"/api/v1/holds/{hold.pk}")

    assert send(api, hold_id=str(hold.pk), payment_id="pay_1").json()["outcome"] == "needs_review"


def test_two_payments_known_by_one_events_id_are_settled_one_after_the_other(admin_user, product):
    """The same id said two things, and staff accept both at once: the second hears that the payment is known."""
    order = OrderFactory(product=product)
    first = receive(key="evt_1", order_id=order.pk, amount="7.00").event
    second = receive(key="evt_1", order_id=order.pk, amount="8.00").event
    assert {first.status, second.status} == {"needs_review"}

    review.accept(first.pk, staff=admin_user, note="a")
    review.accept(second.pk, staff=admin_user, note="b")

    assert Payment.objects.count() == 1


HOUR_SECONDS = 3600


@pytest.mark.parametrize(("hours", "outcome", "payment"), [(71, "paid", "applied"), (73, "expired", "refund_due")])
def test_money_that_was_taken_too_long_after_the_deadline_is_due_for_refund(api, order, hours, outcome, payment):
    let_order_pass(order, seconds=15 * 60 + hours * HOUR_SECONDS)

    answer = send(api, order_id=str(order.pk), payment_id="pay_1").json()

    assert (answer["outcome"], answer["order_status"]) == ("applied", outcome)
    assert (Payment.objects.get().status, Payment.objects.get().reason) == (
        payment, "too_late" if payment == "refund_due" else "",
    )  # fmt: skip
    assert send(api, order_id=str(order.pk), payment_id="pay_1").json()["outcome"] == "ignored"


def test_staff_may_accept_money_that_came_too_late(api, order, admin_user):
    let_order_pass(order, seconds=100 * HOUR_SECONDS)
    event = receive(order_id=order.pk, payment_id="pay_1", amount="7.00").event

    review.accept(event.pk, staff=admin_user, note="Promised by telephone")

    assert Order.objects.get().status == "paid"
    assert Payment.objects.get().status == "applied"


def test_a_second_event_of_money_that_staff_gave_back_is_settled_by_itself(api, admin_user):
    """A session and its intent tell of one payment that belongs to no order here."""
    [event] = [receive(payment_id="pay_1", amount="5.00", currency="USD").event]
    let_event_pass(event, seconds=DAY_SECONDS)
    inbox.process_due()
    review.refund(event.pk, staff=admin_user, note="Not ours")

    second = receive(payment_id="pay_1", amount="5.00", currency="USD").event

    assert (second.status, second.reason) == ("ignored", "payment_already_known")
    assert inbox.process_due() == 0


def test_unknown_orders_are_parked_as_before(api):
    assert send(api, order_id=str(uuid4()), payment_id="pay_1").status_code == 202


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
