"""The database enforces the invariants: raw SQL violates each CHECK and UNIQUE constraint and is refused."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from catalog import inventory
from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout import holds
from checkout.models import Hold, Order, RefusalCount
from checkout.tests.factories import OrderFactory
from checkout.tests.support.queues import queued_product
from checkout.waiting_room import moving
from checkout.waiting_room.models import LateTickets
from flashsale.core import rows
from flashsale.core.statements import Statement
from flashsale.core.submissions.models import KeyedRequest, Submission
from flashsale.outbox import endpoints, numbering
from flashsale.tests.support.constraints import ATTACKS
from payments import refunds
from payments.models import Dispute, EventCursor, Payment, PaymentAttempt, Refund, WebhookEvent
from payments.tests.factories import receive

OURS = ("submissions", "outbox", "catalog", "checkout", "waiting_room", "payments")
UNIQUE_COLUMNS = {
    "one order for each hold": "UPDATE checkout_order SET hold_id = (SELECT hold_id FROM checkout_order LIMIT 1)",
    "one order for each proved payment id": (
        "INSERT INTO checkout_provedpaymentid (payment_id, order_id, proved_by, proved_at)"
        " SELECT 'pay_1', id, 'token', now() FROM checkout_order WHERE status = 'pending_payment'"
    ),
}


@pytest.fixture
def books(order, admin_user):
    """Rows in every table: a paid order with hold, event, payment, dispute, refunds; another order; refusals."""
    endpoints.create(url="https://shop.example.com/hooks")
    OrderFactory(product=order.product)
    ProductFactory()
    moving.move(queued_product().pk)
    LateTickets.objects.create(product=order.product, began_at=order.created_at, tickets=1)
    Submission.objects.create(token=uuid4(), step="catalog.product.add", outcome="Added.")
    KeyedRequest.objects.create(client="abcdefgh", key="k" * 16, fingerprint="f", made_at=order.created_at)
    receive(order_id=order.pk, payment_id="pay_1")
    RefusalCount.objects.create(
        product=order.product, code="sale_paused", began_at=order.created_at, seconds=1, claims=2
    )
    for attempt in (1, 2):
        Refund.objects.create(
            payment=Payment.objects.get(), attempt=attempt, amount=1, status="refused", created_at=order.created_at
        )
    refunds.request(order.pk, restock_units=1, amount=Decimal(0), staff=admin_user, note="Ticket 17")
    Dispute.objects.create(
        payment=Payment.objects.get(), dispute_id="dp_1", status="open", created_at=order.created_at,
        as_of=order.created_at,
    )  # fmt: skip
    shared = {
        "order": order, "provider": "stripe", "shop_id": "shop", "kind": "payment_intent", "amount": 1,
        "currency": "USD", "pay_until": order.payment_due_at, "created_at": order.created_at,
        "key_used_at": order.created_at,
    }  # fmt: skip
    PaymentAttempt.objects.create(**shared, number=1, status="closed", object_id="pi_1", ended_at=order.created_at)
    PaymentAttempt.objects.create(**shared, number=2, status="open", object_id="pi_2", client_secret="pi_2_secret")
    EventCursor.objects.create(provider="stripe", shop_id="shop", read_until=order.created_at)
    numbering.number_all(batches=1)
    return order


def attack(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(("name", "sql"), ATTACKS.items(), ids=ATTACKS.keys())
def test_a_constraint_refuses_its_violation(books, name, sql):
    with pytest.raises(IntegrityError, match=name):
        attack(sql)


@pytest.mark.parametrize("sql", UNIQUE_COLUMNS.values(), ids=UNIQUE_COLUMNS.keys())
def test_a_unique_column_refuses_a_duplicate(books, product, sql):
    OrderFactory(product=product)

    with pytest.raises(IntegrityError, match="unique"):
        attack(sql)


def test_every_constraint_has_a_statement_that_violates_it():
    models = [model for app in OURS for model in apps.get_app_config(app).get_models()]

    named = {constraint.name for model in models for constraint in model._meta.constraints}

    assert named == set(ATTACKS)


def test_o9_more_units_given_back_than_reserved_is_an_error_and_not_clamped(product):
    with pytest.raises(IntegrityError), transaction.atomic():
        inventory.release(product.pk, units=1)

    assert Stock.objects.get().reserved == 0


@pytest.mark.parametrize("model", [Product, Hold, Order, WebhookEvent, Payment])
def test_referenced_rows_cannot_be_deleted(books, model):
    with pytest.raises(ProtectedError):
        model.objects.all().delete()

    assert Payment.objects.exists()


@pytest.mark.parametrize("table", ["catalog_product", "checkout_hold", "checkout_order", "payments_webhookevent"])
def test_referenced_rows_cannot_be_deleted_with_sql_either(books, table):
    with pytest.raises(IntegrityError):
        attack(f"SET CONSTRAINTS ALL IMMEDIATE; DELETE FROM {table}")


@pytest.mark.django_db(transaction=True)
def test_k4_an_insert_that_fails_takes_no_units(product, monkeypatch):
    insertion = rows.insertion

    def insertion_without_quantity(new) -> Statement:
        statement = insertion(new)
        [document] = statement.params
        return Statement(statement.sql, [document.replace('"quantity": 3', '"quantity": null')])

    monkeypatch.setattr(rows, "insertion", insertion_without_quantity)

    with pytest.raises(IntegrityError):
        holds.place(product_id=product.pk, quantity=3)

    assert not Hold.objects.exists()
    assert Stock.objects.get().reserved == 0
