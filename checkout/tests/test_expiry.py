"""Expiry of overdue holds and orders by the worker."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, tasks
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass


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


def test_expiry_runs_batches_until_no_hold_is_overdue(product, monkeypatch):
    monkeypatch.setattr(tasks, "EXPIRY_BATCH_ROWS", 2)
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

    with CaptureQueriesContext(connection) as queries:
        assert holds.expire_due() == 20

    updates = [query["sql"] for query in queries if "UPDATE catalog_stock" in query["sql"]]
    assert len(updates) == 2
    assert len(queries) <= 8
