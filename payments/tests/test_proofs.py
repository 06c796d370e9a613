"""A payment id that is proved for an order finds it, and is refused to other orders."""

import pytest

from checkout.models import Order, ProvedPaymentId
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.tests.support.problems import problem_of
from payments.models import Payment
from payments.tests.factories import receive, send
from payments.tests.support.ordering import place, status_of

pytestmark = pytest.mark.usefixtures("claims_prove_nothing")
DAY_SECONDS = 25 * 3600


def test_a_token_with_the_scope_proves_the_payment_of_its_order(api, product, trusted, attacker):
    rightful = place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")

    answer = send(api, payment_id="pay_1").json()

    assert (answer["outcome"], answer["order_id"]) == ("applied", rightful["order_id"])
    assert status_of(attacker) == "pending_payment"


def test_a_parked_payment_pays_the_order_that_a_token_with_the_scope_places_with_it(api, product, trusted):
    send(api, payment_id="pay_1")

    assert place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")["status"] == "paid"


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
def test_a_second_order_of_a_hold_is_refused_with_the_first_ones_id(api, product, trusted, is_paid):
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
