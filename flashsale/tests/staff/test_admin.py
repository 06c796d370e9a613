"""Admin pages show every model, and no form writes counters or statuses."""

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission

from catalog.models import Product, Stock, StockAdjustment
from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory
from flashsale.outbox.tests.factories import DeliveryFactory
from flashsale.tests.support.admin import MODELS, admin_url, decide, messages_of
from payments.models import Dispute, Payment, Refund, WebhookEvent
from payments.tests.factories import receive
from payments.tests.support.account import attempt_for

READ_ONLY = [Stock, StockAdjustment, Hold, Order, WebhookEvent, Payment, Refund, Dispute]


@pytest.fixture
def paid_order(order):
    """An order that was paid, so that every model has a row."""
    receive(order_id=order.pk, payment_id="pay_1")
    Refund.objects.create(
        payment=Payment.objects.get(), attempt=1, amount=1, status="sent", created_at=order.created_at
    )
    attempt_for(order, "pi_1")
    DeliveryFactory()
    Dispute.objects.create(
        payment=Payment.objects.get(), dispute_id="du_1", status="open", created_at=order.created_at,
        as_of=order.created_at,
    )  # fmt: skip
    return order


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_list_a_search_and_a_page(admin_client, paid_order, model):
    row = model.objects.first()

    assert model in site._registry
    assert admin_client.get(admin_url(model, "changelist")).status_code == 200
    assert admin_client.get(admin_url(model, "change", row.pk)).status_code == 200
    if site._registry[model].search_fields:
        assert admin_client.get(admin_url(model, "changelist"), {"q": "abc"}).status_code == 200


@pytest.mark.parametrize("model", READ_ONLY)
def test_models_that_the_domain_writes_are_read_only(admin_client, paid_order, model):
    row = model.objects.first()
    before = model.objects.values().get(pk=row.pk)

    assert admin_client.get(admin_url(model, "add")).status_code == 403
    assert admin_client.post(admin_url(model, "change", row.pk), {"status": "paid", "sold": 9}).status_code == 403
    assert admin_client.post(admin_url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.values().get(pk=row.pk) == before


def test_a_product_is_added_with_its_opening_stock(admin_client, admin_user):
    fields = {
        "name": "Widget",
        "price": "10.00",
        "currency": "EUR",
        "max_per_hold": 5,
        "opening_stock": 40,
    }

    response = admin_client.post(admin_url(Product, "add"), fields)

    assert response.status_code == 302, response.context["errors"]
    assert Stock.objects.get().total == 40
    adjustment = StockAdjustment.objects.get()
    assert (adjustment.delta, adjustment.made_by) == (40, admin_user)


@pytest.mark.parametrize(("currency", "price"), [("XYZ", "10.00"), ("JPY", "10.50"), ("USD", "0"), ("USD", "1.001")])
def test_a_price_that_cannot_be_paid_is_refused_in_words(admin_client, currency, price):
    fields = {
        "name": "Widget",
        "price": price,
        "currency": currency,
        "max_per_hold": 5,
        "opening_stock": 1,
    }

    response = admin_client.post(admin_url(Product, "add"), fields)

    assert response.status_code == 200
    assert response.context["errors"]
    assert not Product.objects.exists()


def test_a_product_cannot_be_deleted(admin_client, db):
    product = ProductFactory()

    assert admin_client.post(admin_url(Product, "delete", product.pk), {"post": "yes"}).status_code == 403
    assert Product.objects.exists()


def test_an_anonymous_visitor_sees_the_log_in_only(client, db):
    for model in MODELS:
        assert client.get(admin_url(model, "changelist")).status_code == 302


@pytest.fixture
def doubtful(order) -> WebhookEvent:
    return receive(key="evt_1", order_id=order.pk, payment_id="pay_1", amount="50.00").event


@pytest.mark.parametrize(
    ("action", "status", "money", "said"),
    [
        ("accept", "applied", ["applied"], "is paid, its 2 units are sold. The payment of 50.00 USD is recorded"),
        ("refund", "applied", ["refund_due"], "The payment of 50.00 USD is due for refund"),
        ("dismiss", "ignored", [], "Dismissed: no order, units or money were changed."),
    ],
)
def test_staff_settle_an_event_with_a_note(admin_client, admin_user, doubtful, action, status, money, said):
    response = decide(admin_client, doubtful, action, note="Ticket 17")

    doubtful.refresh_from_db()
    assert (doubtful.status, doubtful.settled_by, doubtful.settled_note) == (status, admin_user, "Ticket 17")
    assert list(Payment.objects.values_list("status", flat=True)) == money
    assert said in messages_of(response)[0]


@pytest.mark.parametrize("action", ["accept", "refund", "dismiss"])
@pytest.mark.parametrize("given", [{}, {"note": "  "}])
def test_a_decision_that_cannot_be_stored_changes_nothing(admin_client, doubtful, action, given):
    response = decide(admin_client, doubtful, action, **given)

    doubtful.refresh_from_db()
    assert doubtful.status == "needs_review"
    assert response.context["form"].errors


@pytest.mark.parametrize("action", ["accept", "refund", "dismiss", "retry"])
def test_a_viewer_decides_nothing(client, django_user_model, doubtful, action):
    viewer = django_user_model.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)

    decide(client, doubtful, action, note="Ticket 17")

    doubtful.refresh_from_db()
    assert doubtful.status == "needs_review"


def test_staff_mark_a_payment_as_refunded_once(admin_client, admin_user, order):
    receive(order_id=order.pk, payment_id="pay_1")
    payment = Payment.objects.get()

    first = decide(admin_client, payment, "mark_refunded", note="in cash")
    second = decide(admin_client, payment, "mark_refunded", note="by transfer")

    payment.refresh_from_db()
    assert (payment.status, payment.refunded_by, payment.refunded_note) == ("refunded", admin_user, "in cash")
    assert "59.98 USD were given back in all" in messages_of(first)[0]
    assert "already refunded" in messages_of(second)[0]


@pytest.mark.parametrize("wrong", [{"currency": "XYZ"}, {"amount": "-1"}, {"order_id": "7"}], ids=str)
def test_money_is_given_back_only_in_amounts_that_exist(admin_client, doubtful, wrong):
    response = decide(admin_client, doubtful, "refund", note="Ticket 17", **wrong)

    assert set(response.context["form"].errors) == set(wrong)
    assert not Payment.objects.exists()


def test_o10_a_stale_admin_form_cannot_touch_the_counters(admin_client, product):
    page = admin_client.get(f"/admin/catalog/product/{product.pk}/change/")
    HoldFactory(product=product, quantity=4)
    fields = {name: value or "" for name, value in page.context["adminform"].form.initial.items()}

    saved = admin_client.post(
        f"/admin/catalog/product/{product.pk}/change/",
        {"name": "New name", "price": "29.99", "currency": "USD", "max_per_hold": 10, "queue": "off"}
        | {"total": 99, "reserved": 0, "sold": 0, "description": fields["description"]},
    )
    of_stock = admin_client.post(
        f"/admin/catalog/stock/{product.pk}/change/",
        {"product": product.pk, "total": 10, "reserved": 0, "sold": 0, "version": 0},
    )

    assert saved.status_code == 302, saved.context["errors"]
    assert of_stock.status_code == 403
    stock = Stock.objects.get(pk=product.pk)
    assert (stock.total, stock.reserved, stock.sold) == (10, 4, 0)
    assert Product.objects.get().name == "New name"
