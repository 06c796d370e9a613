"""The database keeps the promises by itself: every CHECK and UNIQUE constraint is attacked with raw SQL."""

from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from catalog import inventory
from catalog.models import Product, Stock
from checkout import holds
from checkout.models import Hold, Order
from checkout.tests.factories import OrderFactory
from flashsale.core.submissions.models import Submission
from payments.models import Dispute, Payment, Refund, WebhookEvent
from payments.tests.factories import receive

OURS = ("submissions", "catalog", "checkout", "payments")
ATTACKS = {
    "product_price_is_positive": "UPDATE catalog_product SET price = 0",
    "product_currency_is_a_code": "UPDATE catalog_product SET currency = 'us'",
    "product_max_per_hold_is_positive": "UPDATE catalog_product SET max_per_hold = 0",
    "product_max_per_customer_is_positive": "UPDATE catalog_product SET max_per_customer = 0",
    "product_sale_starts_before_it_ends": "UPDATE catalog_product SET sale_starts_at = now(), sale_ends_at = now()",
    "product_sale_starts_at_is_in_range": "UPDATE catalog_product SET sale_starts_at = '1999-12-31T23:59:59Z'",
    "product_sale_ends_at_is_in_range": "UPDATE catalog_product SET sale_ends_at = 'infinity'",
    "stock_reserved_is_not_negative": "UPDATE catalog_stock SET reserved = -1",
    "stock_sold_is_not_negative": "UPDATE catalog_stock SET sold = -1",
    "stock_is_not_oversold": "UPDATE catalog_stock SET reserved = total, sold = 1",
    "submission_acts_once": (
        "INSERT INTO submissions_submission (token, step, outcome, made_at)"
        " SELECT token, step, 'again', now() FROM submissions_submission"
    ),
    "adjustment_changes_something": "UPDATE catalog_stockadjustment SET delta = 0",
    "adjustment_has_a_reason": "UPDATE catalog_stockadjustment SET reason = ''",
    "hold_is_made_once": "UPDATE checkout_hold SET idempotency_key = 'the same key', client = ''",
    "order_is_made_once": "UPDATE checkout_order SET idempotency_key = 'the same key', client = ''",
    "hold_quantity_is_positive": "UPDATE checkout_hold SET quantity = 0",
    "hold_expires_after_creation": "UPDATE checkout_hold SET expires_at = created_at",
    "hold_status_is_known": "UPDATE checkout_hold SET status = 'used'",
    "hold_ended_when_not_active": "UPDATE checkout_hold SET ended_at = NULL",
    "order_quantity_is_positive": "UPDATE checkout_order SET quantity = 0, total_amount = 0",
    "order_total_is_price_times_quantity": "UPDATE checkout_order SET total_amount = total_amount + 1",
    "order_status_is_known": "UPDATE checkout_order SET status = 'done', paid_at = NULL, closed_at = NULL",
    "order_paid_at_when_paid": "UPDATE checkout_order SET paid_at = NULL",
    "order_closed_at_when_cancelled_or_expired": (
        "UPDATE checkout_order SET status = 'cancelled', paid_at = NULL, closed_at = NULL"
    ),
    "order_payment_window_is_positive": "UPDATE checkout_order SET payment_due_at = created_at",
    "order_refunds_are_not_negative": "UPDATE checkout_order SET refunded_amount = -1",
    "order_refund_is_known": "UPDATE checkout_order SET refund = 'half'",
    "order_payment_id_is_not_empty": "UPDATE checkout_order SET payment_id = ''",
    "event_is_stored_once": (
        "INSERT INTO payments_webhookevent (provider, event_id, fingerprint, headers, type, kind, currency,"
        " amount_is_total, malformed, status, reason, attempts, last_error, received_at)"
        " SELECT provider, event_id, fingerprint, headers, type, kind, currency, amount_is_total, malformed, status,"
        " reason, attempts, last_error, received_at FROM payments_webhookevent"
    ),
    "event_status_is_known": "UPDATE payments_webhookevent SET status = 'processed'",
    "event_has_a_next_attempt_while_open": "UPDATE payments_webhookevent SET status = 'failed'",
    "payment_is_known_once": (
        "INSERT INTO payments_payment (provider, payment_id, order_id, event_id, amount, currency, status, reason,"
        " refunded_amount, created_at) SELECT provider, payment_id, order_id, event_id, amount, currency, status,"
        " reason, refunded_amount, created_at FROM payments_payment"
    ),
    "payment_status_is_known": "UPDATE payments_payment SET status = 'kept'",
    "payment_amount_is_positive": "UPDATE payments_payment SET amount = 0, refunded_amount = 0, status = 'refunded'",
    "payment_refunds_within_amount": "UPDATE payments_payment SET refunded_amount = -1",
    "payment_refunded_when_all_is_back": "UPDATE payments_payment SET status = 'refunded'",
    "event_settled_with_a_note": "UPDATE payments_webhookevent SET settled_by_id = (SELECT id FROM auth_user)",
    "payment_refunded_by_staff_with_a_note": "UPDATE payments_payment SET refunded_by_id = (SELECT id FROM auth_user)",
    "proved_payment_id_is_not_empty": "UPDATE checkout_provedpaymentid SET payment_id = ''",
    "proved_by_is_known": "UPDATE checkout_provedpaymentid SET proved_by = 'buyer'",
    "dispute_is_known_once": (
        "INSERT INTO payments_dispute (payment_id, dispute_id, currency, reason, status, created_at, as_of)"
        " SELECT payment_id, dispute_id, currency, reason, status, created_at, as_of FROM payments_dispute"
    ),
    "dispute_status_is_known": "UPDATE payments_dispute SET status = 'kept'",
    "refund_attempt_is_one": "UPDATE payments_refund SET attempt = 1",
    "refund_is_known_once": "UPDATE payments_refund SET refund_id = 're_1'",
    "refund_is_sent_alone": "UPDATE payments_refund SET status = 'sent'",
    "refund_status_is_known": "UPDATE payments_refund SET status = 'done'",
    "refund_amount_is_positive": "UPDATE payments_refund SET amount = 0",
}
UNIQUE_COLUMNS = {
    "one order for each hold": "UPDATE checkout_order SET hold_id = (SELECT hold_id FROM checkout_order LIMIT 1)",
    "one order for each proved payment id": (
        "INSERT INTO checkout_provedpaymentid (payment_id, order_id, proved_by, proved_at)"
        " SELECT 'pay_1', id, 'token', now() FROM checkout_order WHERE status = 'pending_payment'"
    ),
}


@pytest.fixture
def books(order, admin_user):
    """Rows in every table: a paid order with its hold, event, payment and dispute, two refunds of it, another order."""
    OrderFactory(product=order.product)
    Submission.objects.create(token=uuid4(), step="catalog.product.add", outcome="Added.")
    receive(order_id=order.pk, payment_id="pay_1")
    for attempt in (1, 2):
        Refund.objects.create(
            payment=Payment.objects.get(), attempt=attempt, amount=1, status="refused", created_at=order.created_at
        )
    Dispute.objects.create(
        payment=Payment.objects.get(), dispute_id="dp_1", status="open", created_at=order.created_at,
        as_of=order.created_at,
    )  # fmt: skip
    return order


def attack(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(("name", "sql"), ATTACKS.items(), ids=ATTACKS.keys())
def test_a_constraint_stops_its_attack(books, name, sql):
    with pytest.raises(IntegrityError, match=name):
        attack(sql)


@pytest.mark.parametrize("sql", UNIQUE_COLUMNS.values(), ids=UNIQUE_COLUMNS.keys())
def test_a_unique_column_stops_its_attack(books, product, sql):
    OrderFactory(product=product)

    with pytest.raises(IntegrityError, match="unique"):
        attack(sql)


def test_every_constraint_is_attacked():
    models = [model for app in OURS for model in apps.get_app_config(app).get_models()]

    named = {constraint.name for model in models for constraint in model._meta.constraints}

    assert named == set(ATTACKS)


def test_o9_more_units_given_back_than_reserved_is_an_error_and_not_clamped(product):
    with pytest.raises(IntegrityError), transaction.atomic():
        inventory.release(product.pk, units=1)

    assert Stock.objects.get().reserved == 0


@pytest.mark.parametrize("model", [Product, Hold, Order, WebhookEvent, Payment])
def test_what_others_refer_to_cannot_be_deleted(books, model):
    with pytest.raises(ProtectedError):
        model.objects.all().delete()

    assert Payment.objects.exists()


@pytest.mark.parametrize("table", ["catalog_product", "checkout_hold", "checkout_order", "payments_webhookevent"])
def test_the_database_protects_them_too(books, table):
    with pytest.raises(IntegrityError):
        attack(f"SET CONSTRAINTS ALL IMMEDIATE; DELETE FROM {table}")


@pytest.mark.django_db(transaction=True)
def test_k4_an_insert_that_fails_takes_no_units(product, monkeypatch):
    monkeypatch.setattr(holds, "_INSERT", holds._INSERT.replace("%s::integer[]", "array_append(%s::integer[], NULL)"))

    with pytest.raises(IntegrityError):
        holds.place(product_id=product.pk, quantity=3)

    assert not Hold.objects.exists()
    assert Stock.objects.get().reserved == 0
