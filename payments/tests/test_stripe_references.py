"""How an event of Stripe names its order: metadata, a session's reference, or the payment intent."""

import pytest

from checkout.tests.factories import OrderFactory
from payments.tests.support.stripe_events import INTENT, UNKNOWN, event, outcome, send, session, status_of

pytestmark = pytest.mark.usefixtures("stripe_in_production")


@pytest.mark.parametrize("link", [None, "plink_1", {"id": "plink_1", "object": "payment_link"}])
def test_a_payment_links_reference_names_the_order(api, order, settings, link):
    settings.STRIPE_PAYMENT_LINKS = ["plink_1"]
    paid = session(order, metadata={}, client_reference_id=str(order.pk), payment_link=link)

    assert outcome(send(api, event("checkout.session.completed", paid))) == "applied"
    assert status_of(order) == "paid"


@pytest.mark.parametrize(
    "members",
    [
        *(
            {"payment_link": link}
            for link in ("plink_other", "PLINK_1", "plink_1 ", "", {}, [], ["plink_1"], {"id": None}, 1)
        ),
        *({"payment_link": "plink_1", "client_reference_id": given} for given in ("cart-7", "", 7, [], {})),
    ],
    ids=repr,
)
def test_a_reference_that_the_buyer_may_have_set_needs_review(api, order, settings, members):
    settings.STRIPE_PAYMENT_LINKS = ["plink_1"]
    paid = session(order, metadata={}, **{"client_reference_id": str(order.pk)} | members)

    assert outcome(send(api, event("checkout.session.completed", paid))) == "needs_review"
    assert outcome(send(api, event("checkout.session.expired", paid | {"payment_intent": None}))) == "ignored"
    assert status_of(order) == "pending_payment"


@pytest.mark.parametrize("given", ["cart-7", "", 7, None, [], {}, UNKNOWN.replace("-", ""), f"{{{UNKNOWN}}}"])
def test_a_reference_of_the_shops_server_may_be_no_order(api, product, given):
    """Then the payment's id finds it, where that is proved."""
    order = OrderFactory(product=product, quantity=2, payment_id=INTENT)
    paid = session(order, metadata={}, client_reference_id=given)

    assert outcome(send(api, event("checkout.session.completed", paid))) == "applied"
    assert status_of(order) == "paid"


def test_metadata_outweighs_the_reference_of_a_payment_link(api, order):
    paid = session(order, client_reference_id="cart-7", payment_link="plink_other")

    assert outcome(send(api, event("checkout.session.completed", paid))) == "applied"
    assert status_of(order) == "paid"


def test_an_event_before_its_order_is_found_by_its_payment_intent(api, hold):
    thing = {"id": INTENT, "amount_received": 5998, "currency": "usd", "metadata": {}}
    early = send(api, event("payment_intent.succeeded", thing))

    order = api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_intent_id": INTENT})

    assert (early.status_code, early.json()["outcome"]) == (202, "parked")
    assert order.json()["status"] == "paid"
