"""Roles: what each may do, by POST as well as in the page; changes of a role by staff are kept."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_api_key.models import APIKey

from catalog.models import Product, Stock
from checkout import orders
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.models import LoginFailure
from flashsale.tests.support.admin import admin_url, decide
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

OPERATORS, MANAGERS = {"operator", "manager"}, {"manager"}


@pytest.fixture(params=["viewer", "operator", "manager"])
def role(request, roles, client, django_user_model) -> str:
    """A member of staff with one role, logged in."""
    person = django_user_model.objects.create_user(request.param, password="x", is_staff=True)
    person.groups.add(Group.objects.get(name=request.param))
    client.force_login(person)
    return request.param


def test_every_role_sees_every_list_and_page(role, client, order):
    receive(order_id=order.pk, payment_id="pay_1")

    for model in (Product, Stock, Hold, Order, WebhookEvent, Payment):
        assert client.get(admin_url(model, "changelist")).status_code == 200
        assert client.get(admin_url(model, "change", model.objects.first().pk)).status_code == 200
    assert client.get(reverse("admin:index")).status_code == 200
    assert client.get(reverse("admin:live")).status_code == 200


def release(client):
    hold = HoldFactory()
    decide(client, hold, "release", note="Ticket 17")
    return Hold.objects.get(pk=hold.pk).status == "released"


def cancel(client):
    order = OrderFactory()
    decide(client, order, "cancel", note="Ticket 17")
    return Order.objects.get(pk=order.pk).status == "cancelled"


def pause(client):
    product = HoldFactory().product
    decide(client, product, "pause", note="Ticket 17")
    return Product.objects.get(pk=product.pk).paused_at is not None


def resume(client):
    product = HoldFactory().product
    Product.objects.update(paused_at=product.created_at)
    decide(client, product, "resume", note="Ticket 17")
    return Product.objects.get(pk=product.pk).paused_at is None


def settle(client):
    event = receive(order_id=OrderFactory().pk, payment_id="pay_1", amount="1.00").event
    decide(client, event, "accept", note="Ticket 17")
    return WebhookEvent.objects.get(pk=event.pk).status == "applied"


def give_back(client):
    event = receive(order_id=OrderFactory().pk, payment_id="pay_1", amount="1.00").event
    decide(client, event, "refund", note="Ticket 17")
    return Payment.objects.exists()


def dismiss(client):
    event = receive(order_id=OrderFactory().pk, payment_id="pay_1", amount="1.00").event
    decide(client, event, "dismiss", note="Ticket 17")
    return WebhookEvent.objects.get(pk=event.pk).status == "ignored"


def retry(client):
    event = receive(payment_id="pay_1").event
    WebhookEvent.objects.update(status="dead")
    decide(client, event, "retry", note="Ticket 17")
    return WebhookEvent.objects.get(pk=event.pk).status == "parked"


def mark_refunded(client):
    order = OrderFactory()
    receive(order_id=order.pk, payment_id="pay_1")
    decide(client, Payment.objects.get(), "mark_refunded", note="Ticket 17")
    return Payment.objects.get().status == "refunded"


def adjust_stock(client):
    stock = Stock.objects.get(pk=HoldFactory().product.pk)
    decide(client, stock, "adjust_stock", delta="5", note="Ticket 17")
    return Stock.objects.get().total == stock.total + 5


def adjust_stock_of_a_product(client):
    product = HoldFactory().product
    decide(client, product, "adjust_stock", delta="-5", note="Ticket 17")
    return Stock.objects.get().total == 5


def publish(client):
    product = HoldFactory().product
    Product.objects.update(is_published=False)
    decide(client, product, "publish", note="Ticket 17")
    return Product.objects.get().is_published


def withdraw(client):
    decide(client, HoldFactory().product, "withdraw", note="Ticket 17")
    return not Product.objects.get().is_published


def add_a_product(client):
    fields = {
        "name": "New",
        "price": "10.00",
        "currency": "EUR",
        "max_per_hold": 5,
        "opening_stock": 40,
        "queue": "off",
    }
    client.post(admin_url(Product, "add"), fields)
    return Product.objects.filter(name="New").exists()


def edit_a_product(client):
    product = HoldFactory().product
    client.post(
        admin_url(Product, "change", product.pk),
        {"name": "New", "price": "1", "currency": "USD", "max_per_hold": 5, "queue": "off"},
    )
    return Product.objects.get().name == "New"


def limit_a_queue(client):
    decide(client, HoldFactory().product, "limit_queue", rate_max="5")
    return Product.objects.get().admission_rate_max == 5


def make_a_token(client):
    client.post(reverse("admin:rest_framework_api_key_apikey_add"), {"name": "mine"})
    return APIKey.objects.filter(name="mine").exists()


def unlock_a_name(client):
    failure = LoginFailure.objects.create(name="ann", source="address 192.0.2.1", failures=9, last_at=timezone.now())
    decide(client, failure, "unlock")
    return not LoginFailure.objects.exists()


def remove_a_lost_phone(client):
    owner = User.objects.create_user("ann")
    device = TOTPDevice.objects.create(user=owner, name="phone", confirmed=True)
    decide(client, device, "remove", note="Ticket 17")
    return not TOTPDevice.objects.exists()


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        (release, OPERATORS), (cancel, OPERATORS), (pause, OPERATORS), (resume, OPERATORS), (settle, OPERATORS),
        (give_back, OPERATORS), (dismiss, OPERATORS), (retry, OPERATORS), (mark_refunded, OPERATORS),
        (adjust_stock, MANAGERS), (adjust_stock_of_a_product, MANAGERS), (publish, MANAGERS), (withdraw, MANAGERS),
        (add_a_product, MANAGERS), (edit_a_product, MANAGERS), (limit_a_queue, MANAGERS), (make_a_token, MANAGERS),
        (unlock_a_name, MANAGERS), (remove_a_lost_phone, MANAGERS),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)  # fmt: skip
def test_each_role_does_what_it_may_and_nothing_else(role, client, action, allowed):
    assert action(client) is (role in allowed)


def test_only_a_superuser_creates_members_of_staff(role, client):
    assert client.post(reverse("admin:auth_user_add"), {"username": "x"}).status_code == 403


def test_changes_of_a_role_by_staff_are_kept(roles):
    Group.objects.get(name="viewer").permissions.clear()
    Group.objects.get(name="operator").delete()

    call_command("migrate", verbosity=0)

    assert Group.objects.get(name="viewer").permissions.count() == 0
    assert not Group.objects.filter(name="operator").exists()


def test_an_anonymous_post_changes_nothing(client, order):
    decide(client, order, "cancel", note="Ticket 17")

    assert Order.objects.get().status == "pending_payment"
    assert client.get(reverse("admin:live")).status_code == 302


def test_an_action_asks_first_and_changes_nothing(admin_client, order):
    page = admin_client.post(admin_url(Order, "changelist"), {"action": "cancel", "_selected_action": order.pk})

    assert page.status_code == 200
    assert "The order is cancelled; its 2 units are" in page.content.decode()
    assert Order.objects.get().status == "pending_payment"


def test_the_second_of_two_operators_is_told_what_happened(admin_client, order, hold):
    orders.cancel(order.pk)
    stock = Stock.objects.get()

    told = decide(admin_client, order, "cancel", note="Ticket 17").content.decode()
    below = decide(admin_client, stock, "adjust_stock", delta="-9", note="Ticket 17").content.decode()

    assert "The order is cancelled." in told
    assert "2 reserved and 0 sold units are" in below
    assert Stock.objects.get().total == 10


def test_the_note_is_kept_in_the_history(admin_client, order):
    decide(admin_client, order, "cancel", note="The customer called")

    history = admin_client.get(reverse("admin:checkout_order_history", args=[order.pk])).content.decode()
    assert "Note: The customer called" in history
