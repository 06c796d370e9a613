"""An order's page tells its whole story from the database, and links lead to everything in it."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection

from checkout import orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.identifiers import short
from flashsale.tests.support.admin import admin_url, decide
from payments import refunds
from payments.explanations import naming
from payments.models import Dispute, Payment, Refund, RefundRequest, WebhookEvent
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db


def page_of(client, order: Order):
    answer = client.get(admin_url(Order, "change", order.pk))
    assert answer.status_code == 200
    return answer


def story_of(client, order: Order) -> list[str]:
    """Return the lines of the story, without links."""
    return [re.sub(r"<[^>]*>", "", str(moment.what)) for moment in page_of(client, order).context["story"].moments]


def notes_of(client, order: Order) -> list[str]:
    return [moment.note for moment in page_of(client, order).context["story"].moments if moment.note]


def place(product, **members) -> Order:
    hold = HoldFactory(product=product, quantity=2, customer_id="customer-77")
    return orders.place(hold_id=hold.pk, **members)


@pytest.fixture
def bought(product) -> Order:
    """An order that was paid by the event evt_paid."""
    order = place(product)
    receive(order_id=order.pk, payment_id="pay_1", amount="59.98", currency="USD", key="evt_paid")
    order.refresh_from_db()
    return order


def test_it_begins_with_the_hold_and_ends_with_what_became_of_the_units(admin_client, bought):
    story = story_of(admin_client, bought)

    assert story[0].startswith(f"Hold {bought.hold_id} placed by customer-77: 2 x {bought.product.name} at 29.99 USD")
    assert story[1].startswith("Ordered: 59.98 USD, to be paid until ")
    assert story[2:4] == [
        "Event evt_paid arrived: payment succeeded, 59.98 USD (success of standard).",
        "Event evt_paid applied: paid the order.",
    ]
    assert set(story[4:]) == {
        "Payment pay_1 of 59.98 USD recorded: applied to the order.", "Paid: its 2 units are sold.",
    }  # fmt: skip


def test_the_page_names_the_order_as_people_do_and_has_its_whole_id(admin_client, bought):
    content = page_of(admin_client, bought).content.decode()

    assert f"{short(bought.pk)}, 2 x {bought.product.name}, customer-77" in content
    assert f"<code>{bought.pk}</code>" in content
    assert "of product" not in content
    for row in (bought.hold, Payment.objects.get(), WebhookEvent.objects.get(), bought.product):
        assert admin_url(type(row), "change", row.pk) in content


def test_a_declined_card_that_changed_nothing_is_told(admin_client, bought):
    receive(status="failed", order_id=bought.pk, payment_id="pay_9", key="evt_declined", amount="59.98", currency="USD")

    story = story_of(admin_client, bought)

    assert "Event evt_declined arrived: payment failed, 59.98 USD (failure of standard)." in story
    assert "Event evt_declined ignored: another try to pay failed, not the payment of the order." in story


def test_events_that_name_it_are_told_also_when_they_were_never_matched(admin_client, product, bought):
    other = OrderFactory(product=product)
    receive(order_id=bought.pk, hold_id=other.hold_id, key="evt_two_orders")
    receive(order_id=other.pk, payment_id="pay_1", key="evt_its_payment")

    story = story_of(admin_client, bought)

    assert "Event evt_two_orders arrived: payment succeeded (success of standard); it names the order." in story
    assert any(line.startswith("Event evt_two_orders needs review: names order") for line in story)
    assert any(line.startswith("Event evt_its_payment arrived:") for line in story)


def test_an_event_that_staff_gave_to_another_order_is_told_by_both(admin_client, admin_user, product, order):
    other = OrderFactory(product=product)
    event = receive(order_id=order.pk, amount="1.00", currency="USD", key="evt_1").event

    decide(admin_client, event, "accept", note="Ticket 17", order_id=str(other.pk))

    assert any(f"it names the order, and belongs to order {short(other.pk)}" in line
               for line in story_of(admin_client, order))  # fmt: skip
    assert any("evt_1 applied: paid the order (decided by admin)" in line for line in story_of(admin_client, other))
    for one in (order, other):
        assert any(line.startswith("admin: Accept. Event evt_1: ") for line in story_of(admin_client, one))


def test_an_event_that_staff_dismissed_names_them_once(admin_client, order):
    event = receive(order_id=order.pk, amount="1.00", key="evt_1").event

    decide(admin_client, event, "dismiss", note="Ticket 17")

    assert "Event evt_1 ignored: dismissed by admin." in story_of(admin_client, order)


@pytest.mark.parametrize("status", ["failed", "dead", "parked", "received"])
def test_events_without_a_verdict_are_told(admin_client, order, status):
    event = receive(order_id=order.pk, key="evt_1", amount="1.00").event
    retry_at = event.received_at if status in {"failed", "received"} else None
    WebhookEvent.objects.update(
        order=None, status=status, reason="error", next_attempt_at=retry_at, last_error="OSError: disk full"
    )

    story = story_of(admin_client, order)

    assert any(line.startswith("Event evt_1 arrived") for line in story)
    assert any("disk full" in line for line in story)


def test_what_the_payment_id_is_claimed_by_is_told(admin_client, settings, product):
    settings.TRUST_CLAIMED_PAYMENT_IDS = False
    order = place(product, payment_id="pay_claimed")
    receive(payment_id="pay_claimed", key="evt_1")

    assert any("it names payment id pay_claimed" in line for line in story_of(admin_client, order))


def test_refunds_of_staff_and_attempts_of_the_shop_are_told_with_who_and_why(admin_client, admin_user, bought):
    payment = Payment.objects.get()
    refunds.request(bought.pk, amount=None, restock_units=1, staff=admin_user, note="Ticket 17")
    at = payment.created_at
    Refund.objects.create(
        payment=payment, attempt=1, amount=payment.amount, status="refused", refund_id="re_1", created_at=at,
        answered_at=at, last_error="The card is closed.",
    )  # fmt: skip
    decide(admin_client, payment, "mark_refunded", note="By bank transfer")

    story, notes = story_of(admin_client, bought), notes_of(admin_client, bought)

    assert "admin, payment pay_1: refund of 59.98 USD requested, 1 unit put back on sale." in story
    assert "Refund of 59.98 USD of payment pay_1 begun (attempt 1)." in story
    assert "Refund of 59.98 USD (attempt 1, re_1): refused by the provider." in story
    assert "admin, payment pay_1: 59.98 USD recorded as given back." in story
    assert any(line.startswith("admin: Mark as refunded by other means. pay_1: 59.98 USD") for line in story)
    assert {"Ticket 17", "The card is closed.", "By bank transfer"} <= set(notes)


def test_a_dispute_is_told_with_its_state(admin_client, bought):
    payment = Payment.objects.get()
    Dispute.objects.create(
        payment=payment, dispute_id="dp_1", amount=payment.amount, currency="USD", reason="product_not_received",
        status="lost", created_at=bought.created_at, as_of=bought.paid_at,
    )  # fmt: skip

    story = story_of(admin_client, bought)

    assert "Dispute dp_1 of 59.98 USD about payment pay_1 opened: product not received." in story
    assert "Dispute dp_1 is lost, the money is gone." in story


def test_it_stays_whole_when_a_member_of_staff_is_deleted(client, product):
    ann = User.objects.create_superuser("ann", password="x")
    client.force_login(ann)
    order = place(product)
    event = receive(order_id=order.pk, payment_id="pay_1", amount="1.00", currency="USD", key="evt_1").event
    decide(client, event, "accept", note="Ticket 17")
    decide(client, Payment.objects.get(), "mark_refunded", note="Ticket 18")
    before = story_of(client, order)
    root = User.objects.create_superuser("root", password="x")

    name = f"ann (deleted account {ann.pk})"
    ann.delete()
    client.force_login(root)

    assert story_of(client, order) == [line.replace("ann", name) for line in before]
    assert any(line.startswith(f"{name}: Accept. ") for line in story_of(client, order))
    assert RefundRequest.objects.get().requested_by.username == name


def test_bodies_are_collapsed_and_indented(admin_client, bought):
    [document] = page_of(admin_client, bought).context["story"].documents

    assert document.title == "Event evt_paid: success, applied"
    assert '\n  "payment_id": "pay_1"' in document.text
    assert "<details" in page_of(admin_client, bought).content.decode()


@pytest.mark.parametrize("column", ["order_ref", "hold_ref", "payment_ref"])
def test_events_are_found_by_what_they_name_with_an_index(new_tables, column, order):
    named = {"order_ref": order.pk, "hold_ref": order.hold_id, "payment_ref": "pay_1"}[column]
    events = naming.not_plain(column).filter(**{column: named})
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    plan = events.explain()

    assert f"event_naming_{column.removesuffix('_ref')}" in plan


def test_plain_successes_cost_these_indexes_nothing(order):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(oid) FROM pg_class WHERE relname = 'event_naming_order'")
        [(definition,)] = cursor.fetchall()
    _, _, condition = definition.partition(" WHERE ")
    receive(order_id=order.pk, payment_id="pay_1")

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM payments_webhookevent WHERE {condition}")
        assert cursor.fetchone() == (0,)


def test_the_story_asks_a_bounded_number_of_times(admin_client, bought, django_assert_max_num_queries):
    for number in range(10):
        receive(status="failed", order_id=bought.pk, payment_id=f"try_{number}", key=f"evt_{number}")

    with django_assert_max_num_queries(37):
        page_of(admin_client, bought)


def test_the_page_and_the_file_show_what_the_client_stored_with_the_order(admin_client, product):
    order = place(product, metadata={"b": "<b>C-1042</b>", "a": ""})

    page = page_of(admin_client, order).content.decode()
    file = b"".join(admin_client.get(admin_url(Order, "export")).streaming_content).decode()

    assert "a: <br>b: &lt;b&gt;C-1042&lt;/b&gt;" in page
    assert '"{""a"": """", ""b"": ""<b>C-1042</b>""}"' in file
