"""Expiry, audit, purge, and the commands around them."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import PeriodicTask

from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders, retention, tasks
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from flashsale.celery import app as celery_app
from payments.tests.factories import receive


def run(command: str, *args: str) -> str:
    out = StringIO()
    call_command(command, *args, stdout=out)
    return out.getvalue()


def test_the_sweepers_expire_what_is_overdue_and_nothing_else(db):
    products = [ProductFactory(), ProductFactory()]
    for product in products:
        HoldFactory(product=product, quantity=3)
        let_hold_pass(HoldFactory(product=product, quantity=2))
        let_order_pass(OrderFactory(product=product, quantity=1))

    tasks.expire_holds()
    tasks.expire_orders()

    assert list(Stock.objects.values_list("reserved", flat=True)) == [3, 3]
    assert audit.find_drift() == []


def test_expiry_works_off_more_than_one_batch(product, monkeypatch):
    monkeypatch.setattr(holds, "EXPIRY_BATCH_ROWS", 2)
    monkeypatch.setattr(holds.expire_due.__wrapped__, "__kwdefaults__", {"limit": 2})
    for _ in range(5):
        let_hold_pass(HoldFactory(product=product))

    tasks.expire_holds()

    assert not Hold.objects.filter(status="active").exists()


def test_a_batch_updates_each_stock_once(db):
    products = [ProductFactory(stock=20), ProductFactory(stock=20)]
    for product in products:
        for _ in range(10):
            let_hold_pass(HoldFactory(product=product))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert holds.expire_due() == 20

    updates = [query["sql"] for query in queries if "UPDATE catalog_stock" in query["sql"]]
    assert len(updates) == 2
    assert len(queries) <= 8


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE catalog_stock SET reserved = reserved + 1",
        "UPDATE catalog_stock SET sold = sold + 1",
        "UPDATE catalog_stock SET reserved = reserved - 1",
        "UPDATE checkout_hold SET quantity = quantity + 1 WHERE status = 'active'",
        "UPDATE checkout_order SET status = 'cancelled', closed_at = now(), paid_at = NULL",
    ],
)
def test_the_audit_finds_drift_and_repairs_nothing(product, order, caplog, damage):
    HoldFactory(product=product)
    receive(order_id=order.pk, payment_id="pay_1")
    assert "The books are right" in run("audit_stock")
    with connection.cursor() as cursor:
        cursor.execute(damage)
    before = Stock.objects.values().get()

    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("audit_stock", stdout=out)
    tasks.audit_stock()

    assert ended.value.code == 1
    assert f"drift: product {product.pk}" in out.getvalue()
    assert "stock_drift" in caplog.text
    assert Stock.objects.values().get() == before


def test_the_purge_takes_old_holds_that_never_became_orders(product):
    released, kept, ordered = HoldFactory(product=product), HoldFactory(product=product), OrderFactory(product=product)
    holds.release(released.pk)
    young = HoldFactory(product=product)
    holds.release(young.pk)
    Hold.objects.filter(pk__in=[released.pk, ordered.hold_id]).update(
        ended_at=F("ended_at") - timedelta(days=retention.HOLDS_KEPT_DAYS + 1)
    )

    tasks.purge_holds()

    assert set(Hold.objects.values_list("pk", flat=True)) == {kept.pk, ordered.hold_id, young.pk}


def test_the_beat_knows_every_task_and_lets_stale_runs_go(schedule):
    scheduled = PeriodicTask.objects.exclude(name="celery.backend_cleanup")

    celery_app.loader.import_default_modules()
    assert {task.task for task in scheduled} == {
        name for name in celery_app.tasks if name.startswith(("catalog.", "checkout.", "payments.", "flashsale."))
    }
    assert all(task.expire_seconds for task in scheduled)
    assert {task.task for task in scheduled if task.queue == "expiry"} == {
        "checkout.tasks.expire_holds",
        "checkout.tasks.expire_orders",
    }
    intervals = {task.task: (task.interval.every, task.interval.period) for task in scheduled}
    assert intervals["checkout.tasks.expire_holds"] == (2, "seconds")
    assert intervals["checkout.tasks.expire_orders"] == (5, "seconds")


def test_a_product_is_added_by_command_and_its_id_printed(db):
    out = run(
        "add_product", "--name", "Widget", "--price", "29.99", "--currency", "usd", "--stock", "100",
        "--max-per-hold", "5", "--max-per-customer", "7", "--description", "Nice",
        "--starts-at", "2030-01-01T12:00:00+00:00", "--ends-at", "2030-01-01T14:00:00",
    )  # fmt: skip

    product = Product.objects.get()
    assert out == f"{product.pk}\n"
    assert (product.currency, product.max_per_hold, product.max_per_customer) == ("USD", 5, 7)
    assert product.is_published
    assert product.stock.total == 100
    assert product.sale_ends_at - product.sale_starts_at == timedelta(hours=2)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--price", "0"),
        ("--price", "-1"),
        ("--price", "NaN"),
        ("--price", "free"),
        ("--price", "1.001"),
        ("--currency", "XYZ"),
        ("--currency", "DOLLARS"),
        ("--stock", "-1"),
        ("--stock", "many"),
        ("--stock", str(2**31)),
        ("--max-per-hold", "0"),
        ("--max-per-customer", "0"),
        ("--starts-at", "noon"),
        ("--name", ""),
        ("--ends-at", "2030-02-30T00:00:00"),
    ],
)
def test_a_wrong_product_is_refused_in_words_and_nothing_is_added(db, wrong):
    given = {"--name": "Widget", "--price": "29.99", "--currency": "USD", "--stock": "1"} | dict([wrong])
    out = StringIO()

    with pytest.raises(CommandError):
        call_command("add_product", *(text for pair in given.items() for text in pair), stdout=out)

    assert out.getvalue() == ""
    assert not Product.objects.exists()


@pytest.mark.parametrize("name", ["payments_due", "refunds_due"])
def test_refunds_due_lists_what_must_be_given_back(order, name):
    orders.cancel(order.pk)
    receive(order_id=order.pk, payment_id="pay_1")

    lines = run(name).splitlines()

    assert len(lines) == 2
    assert lines[1].split("\t")[:4] == ["pay_1", str(order.pk), "59.98", "USD"]
