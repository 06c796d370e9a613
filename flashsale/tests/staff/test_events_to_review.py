"""Events to review can be judged: what was paid and expected, for which order, what a decision will do and did."""

import html
import re

import pytest

from checkout import orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.core.identifiers import short
from flashsale.tests.support.admin import admin_url, decide, messages_of
from payments import inbox
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db


def doubtful(order: Order, *, key: str = "evt_1", **members) -> WebhookEvent:
    """An event with a payment of 30.99 USD, which is not what the order costs."""
    paid = {"payment_id": "pay_1", "amount": "30.99", "currency": "USD"} | members
    event = receive(order_id=order.pk, key=key, **paid).event
    assert event.status == "needs_review"
    return event


def text_of(page) -> str:
    """Return the visible text of a page, in one line."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def asked(client, event: WebhookEvent, action: str) -> str:
    """Return what the confirmation page says that the action will do."""
    page = client.get(admin_url(WebhookEvent, "act", event.pk, action))
    [(_row, effect)] = page.context["rows"]
    assert effect in text_of(page)
    return effect


def test_the_list_tells_what_was_paid_what_was_expected_for_which_order_and_why(admin_client, order):
    doubtful(order)

    page = admin_client.get(admin_url(WebhookEvent, "changelist"), {"status__exact": "needs_review"})

    shown = text_of(page)
    assert f"30.99 USD 59.98 USD paid 30.99 USD, expected 59.98 USD {order}" in shown
    assert admin_url(Order, "change", order.pk) in page.content.decode()
    assert "amount_differs" not in shown
    assert "needs_review" not in shown


def test_the_page_sums_up_before_the_raw_parts(admin_client, order):
    event = doubtful(order)

    page = admin_client.get(admin_url(WebhookEvent, "change", event.pk))

    shown = text_of(page)
    summary, raw = shown.index("paid 30.99 USD, expected 59.98 USD"), shown.index("What the provider sent")
    assert summary < shown.index(f"{order} : 59.98 USD, pending payment") < raw
    assert str(order.pk) in shown
    assert '"amount": "30.99"' in shown
    assert "30.990" not in shown


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        (
            "accept",
            "Order {id} becomes paid and its 2 units, reserved now, will be sold. "
            "The payment of 30.99 USD, instead of 59.98 USD, is recorded as applied.",
            "Event evt_1: Order {id} is paid, its 2 units are sold. The payment of 30.99 USD is recorded as applied.",
        ),
        (
            "refund",
            "The payment of 30.99 USD becomes due for refund, to be given back by staff. "
            "Order {id} is not changed: it waits for its payment, its 2 units stay reserved.",
            "Event evt_1: The payment of 30.99 USD is due for refund: staff decided to give it back. "
            "Order {id} and its units are not changed.",
        ),
        (
            "dismiss",
            "No order, units or money are changed. "
            "If the provider took 30.99 USD, it stays with the shop and is recorded nowhere.",
            "Event evt_1: Dismissed: no order, units or money were changed.",
        ),
    ],
)
def test_each_decision_tells_before_what_it_will_do_and_afterwards_what_it_did(
    admin_client, order, action, before, after
):
    event, name = doubtful(order), short(order.pk)

    will = asked(admin_client, event, action)
    done = decide(admin_client, event, action, note="Ticket 17")

    assert will == f"Payment succeeded: paid 30.99 USD, expected 59.98 USD. {before.format(id=name)}"
    assert messages_of(done) == [after.format(id=name)]


def test_accepting_money_for_an_order_that_was_paid_meanwhile_makes_it_due_for_refund(admin_client, order):
    event = doubtful(order)
    receive(order_id=order.pk, payment_id="pay_2")

    will = asked(admin_client, event, "accept")
    done = decide(admin_client, event, "accept", note="Ticket 17")

    assert (
        f"30.99 USD becomes due for refund, to be given back by staff: Order {short(order.pk)} is paid already" in will
    )
    assert "is due for refund: the order was paid already, by another payment." in messages_of(done)[0]
    assert Payment.objects.get(payment_id="pay_1").status == "refund_due"


def test_accepting_what_is_recorded_already_tells_that_nothing_was_changed(admin_client, order):
    event = receive(order_id=order.pk, amount="30.99", currency="USD", key="evt_1").event
    receive(order_id=order.pk, payment_id="pay_2")

    will = asked(admin_client, event, "accept")
    done = decide(admin_client, event, "accept", note="Ticket 17")

    assert "Nothing will change: the order was paid already." in will
    assert messages_of(done) == ["Event evt_1: Nothing was changed: the order was paid already."]


def test_money_that_named_nothing_and_is_given_to_a_paid_order_becomes_due_for_refund_as_it_was_told(
    admin_client, order
):
    receive(order_id=order.pk, payment_id="pay_1")
    event = receive(key="evt_1", amount="5.00", currency="USD").event

    will = asked(admin_client, event, "accept")
    done = decide(admin_client, event, "accept", note="Ticket 17", order_id=str(order.pk))

    assert "waits for its payment, or has expired and its units can be had, it becomes paid with 5.00 USD" in will
    assert "otherwise the money becomes due for refund" in will
    assert messages_of(done) == [
        "Event evt_1: The payment of 5.00 USD is due for refund: the order was paid already, by another payment. "
        f"Order {short(order.pk)} and its units are not changed."
    ]


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (0, "has expired, and 10 are available: it becomes paid"),
        (9, "has expired, and only 1 of its 2 units can be had"),
    ],
)
def test_accepting_money_for_an_expired_order_depends_on_its_units(admin_client, product, order, taken, expected):
    event = doubtful(order)
    let_order_pass(order)
    orders.expire_due()
    if taken:
        HoldFactory(product=product, quantity=taken)

    will = asked(admin_client, event, "accept")
    decide(admin_client, event, "accept", note="Ticket 17")

    assert expected in will
    assert Payment.objects.get().status == ("refund_due" if taken else "applied")


def test_accepting_a_decline_cancels_its_order_or_tells_that_it_changes_nothing(admin_client, order):
    event = doubtful(order, status="failed")

    will = asked(admin_client, event, "accept")
    done = decide(admin_client, event, "accept", note="Ticket 17")

    assert f"Order {short(order.pk)} becomes cancelled and its 2 units are available to all buyers again." in will
    assert "is cancelled, its 2 units are available to all buyers again." in messages_of(done)[0]


@pytest.mark.parametrize(
    ("amount", "before"),
    [
        ("70.00", "It cannot be accepted: gave 70.00 USD back, only 40.00 USD are left of the payment."),
        ("40.00", "40.00 USD is recorded as given back, of payment pay_1 of 59.98 USD, of which 19.98 USD are given"),
    ],
)
def test_accepting_a_refund_is_judged_by_what_is_left_of_the_payment(admin_client, order, amount, before):
    event = receive(status="refunded", order_id=order.pk, payment_id="pay_1", amount=amount, currency="USD").event
    receive(order_id=order.pk, payment_id="pay_1")
    receive(status="refunded", order_id=order.pk, payment_id="pay_1", amount="19.98", currency="USD")

    will = asked(admin_client, event, "accept")
    decide(admin_client, event, "accept", note="Ticket 17")

    assert before in will
    event.refresh_from_db()
    assert event.status == ("needs_review" if amount == "70.00" else "applied")


def test_accepting_a_refund_of_all_that_was_given_back_changes_nothing(admin_client, order):
    event = receive(status="refunded", order_id=order.pk, payment_id="pay_1", amount="9.00", currency="USD").event
    receive(order_id=order.pk, payment_id="pay_1")
    receive(status="refunded", order_id=order.pk, payment_id="pay_1", amount="59.98", currency="USD")

    will = asked(admin_client, event, "accept")
    done = decide(admin_client, event, "accept", note="Ticket 17")

    assert "Nothing will change: this money was recorded as given back already." in will
    assert "Nothing was changed: this money was recorded as given back already." in messages_of(done)[0]


def test_accepting_a_refund_that_names_no_order_asks_for_it(admin_client):
    event = receive(status="refunded", key="evt_1", amount="5.00", currency="USD").event

    will = asked(admin_client, event, "accept")
    done = decide(admin_client, event, "accept", note="Ticket 17")

    assert "It names no order: enter the order's id below." in will
    assert "The event names no order; say which one" in messages_of(done)[0]


@pytest.mark.parametrize(
    ("status", "state"),
    [("parked", "it waits for its order"), ("received", "it is being processed"),
     ("failed", "it failed and is tried again")],
)  # fmt: skip
@pytest.mark.parametrize("action", ["accept", "refund", "dismiss"])
def test_an_event_without_a_verdict_needs_no_decision_and_tells_what_it_waits_for(admin_client, status, state, action):
    event = receive(payment_id="pay_1", key="evt_1").event
    WebhookEvent.objects.update(status=status, next_attempt_at=None if status == "parked" else event.received_at)
    list_of_events = admin_url(WebhookEvent, "changelist")
    chosen = {"action": action, "_selected_action": event.pk}

    before = admin_client.post(list_of_events, chosen)
    after = admin_client.post(list_of_events, chosen | {"confirmed": "yes", "note": "Ticket 17"}, follow=True)

    assert f"It needs no decision now: {state}. Nothing is done." in text_of(before)
    assert messages_of(after) == [f"Event evt_1: It needs no decision now: {state}."]


@pytest.mark.parametrize(
    ("status", "labels"),
    [("success", ["Paid", "Expected"]), ("failed", ["Tried to pay", "Expected"]),
     ("refunded", ["Given back", "Payment's amount"])],
)  # fmt: skip
def test_the_amounts_of_an_event_are_called_by_what_it_tells(admin_client, order, status, labels):
    event = doubtful(order, status=status)

    shown = text_of(admin_client.get(admin_url(WebhookEvent, "change", event.pk)))

    for label in ("Paid", "Tried to pay", "Given back", "Expected", "Payment's amount"):
        expected = label in labels
        assert bool(re.search(rf"{label} (?:30\.99|59\.98|unknown)", shown)) == expected, label


def test_money_without_a_reference_needs_an_order_or_an_amount(admin_client):
    event = receive(key="evt_1").event

    assert "enter the order's id below" in asked(admin_client, event, "accept")
    assert "enter the amount and currency below" in asked(admin_client, event, "refund")


def test_what_was_decided_meanwhile_is_told_whatever_filter_the_list_has(admin_client, admin_user, order):
    event = doubtful(order)
    inbox.dismiss(event.pk, staff=admin_user, note="Ticket 16")
    url = f"{admin_url(WebhookEvent, 'changelist')}?status__exact=needs_review"
    chosen = {"action": "accept", "_selected_action": event.pk}

    before = admin_client.post(url, chosen)
    after = admin_client.post(url, chosen | {"confirmed": "yes", "note": "Ticket 17"}, follow=True)

    assert "It was dismissed by admin already. Nothing is done." in text_of(before)
    assert messages_of(after) == ["Event evt_1: It was decided meanwhile: it is ignored, decided by admin."]


def test_the_list_reads_its_orders_at_once(admin_client, product, django_assert_max_num_queries):
    placed = [OrderFactory(product=product) for _ in range(8)]
    for number, order in enumerate(placed):
        # Every other one names the hold of another order.
        hold_id = placed[number - number % 2].hold_id
        receive(order_id=order.pk, hold_id=hold_id, payment_id=f"pay_{number}", amount="1.00")

    with django_assert_max_num_queries(14):
        admin_client.get(admin_url(WebhookEvent, "changelist"))


@pytest.mark.parametrize("what", ["event", "payment", "order", "short order", "hold"])
def test_an_event_and_its_payment_are_found_by_what_staff_have_in_hand(admin_client, product, what):
    order, other = OrderFactory(product=product), OrderFactory(product=product)
    receive(order_id=order.pk, payment_id="pay_1", key="evt_1")
    receive(order_id=other.pk, payment_id="pay_2", key="evt_2")
    text = {"event": "evt_1", "payment": "pay_1", "order": order.pk, "short order": short(order.pk),
            "hold": order.hold_id}[what]  # fmt: skip

    events = admin_client.get(admin_url(WebhookEvent, "changelist"), {"q": text})
    payments = admin_client.get(admin_url(Payment, "changelist"), {"q": text})

    assert [row.event_id for row in events.context["cl"].result_list] == ["evt_1"]
    assert [row.payment_id for row in payments.context["cl"].result_list] == ["pay_1"]


def test_an_event_that_was_never_matched_is_found_by_what_it_names(admin_client, order):
    receive(status="failed", order_id=order.pk, payment_id="pay_9", key="evt_1", amount="1.00")
    lost = receive(payment_id="pay_8", key="evt_2").event
    assert lost.order is None

    def found(text):
        page = admin_client.get(admin_url(WebhookEvent, "changelist"), {"q": text})
        return [row.event_id for row in page.context["cl"].result_list]

    assert found("pay_9") == ["evt_1"]
    assert found("pay_8") == ["evt_2"]
