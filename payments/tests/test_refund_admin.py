"""Staff refund orders on their pages: what the page asks and says beforehand, and what was done afterwards."""

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from catalog.tests.factories import ProductFactory
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core.submissions import once
from flashsale.tests.support.admin import admin_url, decide, messages_of
from flashsale.tests.support.forms import filled_in
from payments.models import Payment, RefundRequest
from payments.tests.factories import receive
from payments.tests.support.orders import make_order, units
from payments.tests.support.refunding import state

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(product) -> Payment:
    """The payment of 59.98 USD that bought two units."""
    return make_order(product, "paid").payments.get()


def act_url(row) -> str:
    return admin_url(type(row), "act", row.pk, "refund")


def press(client, row, **given):
    """Open the page of the refund, type into its form, and send it."""
    sent = filled_in(client.get(act_url(row)), holding=once.FIELD, **{"note": "Ticket 17"} | given)
    return client.post(act_url(row), sent, follow=True)


def test_the_form_begins_with_what_is_left_in_the_currencys_decimals(admin_client, paid):
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="10.00")

    page = admin_client.get(act_url(paid.order))

    [(_, effect)] = page.context["rows"]
    assert filled_in(page, holding=once.FIELD)["amount"] == "49.98"
    assert "Of 59.98 USD paid, 10.00 USD were given back and 0.00 USD are due for refund: 49.98 USD are left." in effect
    assert "2 can be put back" in effect
    assert "is due until it is given back by other means" in effect
    assert "In USD." in page.content.decode()


def test_the_page_says_when_the_provider_will_be_asked(admin_client, paid, settings, monkeypatch):
    settings.STRIPE_AUTO_REFUND, settings.STRIPE_API_KEY = True, "sk_live_local"
    Payment.objects.update(provider="stripe")

    [(_, effect)] = admin_client.get(act_url(paid.order)).context["rows"]

    assert "given back through stripe within a few minutes" in effect


def test_half_an_order_is_refunded_with_its_unit(admin_client, paid, admin_user):
    order = paid.order

    answered = press(admin_client, order, amount="29.99", restock_units="1")

    assert answered.redirect_chain == [(admin_url(Order, "change", order.pk), 302)]
    assert messages_of(answered) == [f"Order {order}: refund of 29.99 USD requested, 1 unit put back on sale."]
    assert state(paid) == ("applied", "due", "0")
    assert (paid.amount_due, units(order.product)) == (Decimal("29.99"), (0, 1))
    made = RefundRequest.objects.get()
    assert (made.requested_by, made.note) == (admin_user, "Ticket 17")
    assert str(LogEntry.objects.get().change_message).startswith("Refund. Order ")


def test_money_that_was_given_back_by_other_means_is_recorded(admin_client, paid):
    answered = press(admin_client, paid.order, already_done="yes")

    assert messages_of(answered) == [f"Order {paid.order}: 59.98 USD recorded as given back."]
    assert state(paid) == ("refunded", "done", "59.98")


def test_a_payments_page_refunds_it_too(admin_client, paid):
    answered = press(admin_client, paid, amount="20")

    assert messages_of(answered) == [f"Payment {paid}: refund of 20.00 USD requested."]
    assert state(paid) == ("applied", "due", "0")


def test_an_order_is_found_with_its_button_only_while_it_is_paid(admin_client, paid, order):
    pages = [admin_client.get(admin_url(Order, "change", pk)).content.decode() for pk in (paid.order_id, order.pk)]

    assert act_url(paid.order) in pages[0]
    assert act_url(order) not in pages[1]


def test_a_page_that_another_refund_has_outdated_is_refused(admin_client, paid):
    sent = filled_in(admin_client.get(act_url(paid.order)), holding=once.FIELD, note="Ticket 17", amount="10.00")
    press(admin_client, paid.order, amount="10.00")

    answered = admin_client.post(act_url(paid.order), sent, follow=True)

    assert messages_of(answered) == [f"{paid.order}: Another refund was made meanwhile; 49.98 USD are left."]
    assert RefundRequest.objects.count() == 1


def test_a_page_that_put_units_back_meanwhile_has_outdated_is_refused(admin_client, paid):
    page = admin_client.get(act_url(paid.order))
    sent = filled_in(page, holding=once.FIELD, note="Ticket 17", amount="0", restock_units="1")
    press(admin_client, paid.order, amount="0", restock_units="1")

    answered = admin_client.post(act_url(paid.order), sent, follow=True)

    told = "Units were put back on sale meanwhile: now 1 of the order's 2 units."
    assert messages_of(answered) == [f"{paid.order}: {told}"]
    assert units(paid.order.product) == (0, 1)


def test_money_alone_is_refunded_whatever_units_were_put_back_meanwhile(admin_client, paid):
    sent = filled_in(admin_client.get(act_url(paid.order)), holding=once.FIELD, note="Ticket 17", amount="10.00")
    press(admin_client, paid.order, amount="0", restock_units="1")

    admin_client.post(act_url(paid.order), sent, follow=True)

    assert RefundRequest.objects.filter(amount=10).count() == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"amount": "1.001"}, "amount"), ({"amount": "-1"}, "amount"), ({"amount": "x"}, "amount"),
        ({"note": ""}, "note"),
        ({"restock_units": "-1"}, "restock_units"), ({"restock_units": "1.5"}, "restock_units"),
        ({"already_done": "perhaps"}, "already_done"), ({"shown": "x"}, "shown"), ({"shown": "[1]"}, "shown"),
        ({"shown": '{"1": {"expected_left": "sNaN"}}'}, "shown"), ({"shown": '{"1": {"other": "1"}}'}, "shown"),
    ],
)  # fmt: skip
def test_what_the_form_cannot_take_stays_on_the_page(admin_client, paid, given, field):
    answered = press(admin_client, paid.order, **given)

    assert set(answered.context["form"].errors) == {field}
    assert not RefundRequest.objects.exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"amount": "59.99"}, "At most 59.98 USD can be refunded"),
        ({"restock_units": "3"}, "Only 2 of the order's 2 units can still be put back."),
        ({"amount": "0"}, "An amount of 0 and no units were asked for."),
    ],
)
def test_a_refusal_is_told_in_words(admin_client, paid, given, told):
    answered = press(admin_client, paid.order, **given)

    [message] = messages_of(answered)
    assert told in message
    assert not RefundRequest.objects.exists()


def test_several_orders_are_refunded_as_a_whole_at_once(admin_client):
    payments = []
    for number, currency in enumerate(("USD", "JPY")):
        order = OrderFactory(product=ProductFactory(price="20", currency=currency))
        receive(order_id=order.pk, payment_id=f"pay_{number}")
        payments.append(Payment.objects.get(payment_id=f"pay_{number}"))
    chosen = [str(payment.order_id) for payment in payments]
    asked = admin_client.post(admin_url(Order, "changelist"), {"action": "refund", "_selected_action": chosen})

    sent = filled_in(asked, holding=once.FIELD, note="Ticket 17")
    answered = admin_client.post(admin_url(Order, "changelist"), sent, follow=True)

    assert sent["amount"] == ""
    assert len(messages_of(answered)) == 2
    assert [state(payment) for payment in payments] == [("applied", "due", "0")] * 2
    assert [str(made) for made in RefundRequest.objects.order_by("payment__payment_id")] == [
        "refund of 20.00 USD requested", "refund of 20 JPY requested",
    ]  # fmt: skip


def test_marking_says_how_much_it_records(admin_client, paid):
    press(admin_client, paid.order, amount="20.00")

    page = admin_client.get(admin_url(Payment, "act", paid.pk, "mark_refunded"))
    decide(admin_client, paid, "mark_refunded", note="by bank transfer")

    [(_, effect)] = page.context["rows"]
    assert effect.startswith("20.00 USD are recorded as given back by other means.")
    assert state(paid) == ("applied", "done", "20")


def marking_pages(client, payments):
    """Open the page that marks these payments as refunded; returns what its form sends."""
    chosen = [str(payment.pk) for payment in payments]
    asked = client.post(admin_url(Payment, "changelist"), {"action": "mark_refunded", "_selected_action": chosen})
    return filled_in(asked, holding=once.FIELD, note="by bank transfer")


def test_marking_records_the_amount_that_its_page_showed_or_nothing(admin_client, paid):
    press(admin_client, paid.order, amount="10.00")
    sent = marking_pages(admin_client, [paid])
    press(admin_client, paid.order, amount="5.00")

    answered = admin_client.post(admin_url(Payment, "changelist"), sent, follow=True)

    told = "Another refund was asked for or made meanwhile; now 15.00 USD would be recorded."
    assert messages_of(answered) == [f"{paid}: {told}"]
    assert state(paid) == ("applied", "due", "0")


@pytest.mark.parametrize("action", ["mark_refunded", "refund"])
def test_of_several_payments_only_the_one_that_changed_is_refused(admin_client, paid, action):
    order = OrderFactory(product=paid.order.product, quantity=1)
    receive(order_id=order.pk, payment_id="pay_2", amount="29.99")
    other = Payment.objects.get(payment_id="pay_2")
    sent = marking_pages(admin_client, [paid, other]) | {"action": action}
    if action == "refund":
        chosen = {"action": action, "_selected_action": [str(paid.pk), str(other.pk)]}
        asked = admin_client.post(admin_url(Payment, "changelist"), chosen)
        sent = filled_in(asked, holding=once.FIELD, note="Ticket 17")
    press(admin_client, paid.order, amount="10.00")

    answered = admin_client.post(admin_url(Payment, "changelist"), sent, follow=True)

    assert sum("meanwhile" in message for message in messages_of(answered)) == 1
    other.refresh_from_db()
    assert (paid.refund_requests.count(), other.refund_requests.count()) == (1, 1)


def test_what_was_given_back_in_part_is_not_called_refunded(admin_client, paid):
    press(admin_client, paid.order, amount="39.99", already_done="yes")

    [told] = messages_of(decide(admin_client, paid, "mark_refunded", note="by bank transfer"))

    assert told == f"{paid}: Nothing is due any more: 39.99 USD of 59.98 USD are already refunded."


def test_an_unpaid_orders_state_is_told_by_its_label(admin_client, order):
    [told] = messages_of(decide(admin_client, order, "refund", note="Ticket 17"))

    assert told == f"{order}: The order is pending payment."


def test_refunding_takes_the_permission_to_change_payments(paid):
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_order", "change_order"]))
    client = Client()
    client.force_login(user)

    assert client.get(act_url(paid.order)).status_code == 403
    assert act_url(paid.order) not in client.get(admin_url(Order, "change", paid.order_id)).content.decode()


def test_the_list_of_what_is_due_has_parts_too(admin_client, paid, order):
    press(admin_client, paid.order, amount="20.00")
    receive(order_id=order.pk, payment_id="pay_2")

    due, some = (
        admin_client.get(admin_url(Payment, "changelist"), {"refund": state}).context["cl"].result_list
        for state in ("due", "some")
    )

    assert [payment.payment_id for payment in due] == ["pay_1"]
    assert list(some) == []


def test_the_list_says_why_a_part_is_due_that_staff_asked_for(admin_client, paid):
    press(admin_client, paid.order, amount="10.00")

    page = admin_client.get(admin_url(Payment, "changelist"), {"refund": "due"}).content.decode()

    assert "staff asked for it" in page
    assert "10.00 USD" in page
