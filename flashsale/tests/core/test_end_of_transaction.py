"""What is done last in a transaction, together with its commit: in order, whole, or not at all."""

import pghistory
import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog import inventory
from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.transactions import retrying_transaction
from flashsale.tests.support.racing import other_connection

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_stock_is_written_last_and_with_the_commit():
    hold = HoldFactory(quantity=2)

    with CaptureQueriesContext(connection) as queries:
        holds.release(hold.pk)

    statements = [query["sql"] for query in queries if query["sql"] not in ("BEGIN", "COMMIT")]
    assert "UPDATE catalog_stock" in statements[-1]
    assert statements[-1].endswith("COMMIT")
    assert Stock.objects.get().reserved == 0


def test_what_staff_do_is_no_different():
    hold, order = HoldFactory(quantity=2), OrderFactory(quantity=3)

    with pghistory.context(user=1):
        holds.revoke(hold.pk)
        orders.revoke(order.pk)
        holds.place(product_id=hold.product_id, quantity=1)
        inventory.adjust(product_id=hold.product_id, delta=5, reason="Counted again")

    assert Stock.objects.get(pk=hold.product_id).free == 14
    assert audit.find_drift() == []


def test_several_stocks_are_written_in_ascending_order_and_only_the_last_commits():
    products = [ProductFactory(), ProductFactory()]
    for product in products:
        Stock.objects.filter(pk=product.pk).update(reserved=1)

    @retrying_transaction
    def release_both() -> None:
        for product in reversed(products):
            inventory.release(product.pk, units=1)

    with CaptureQueriesContext(connection) as queries:
        release_both()

    written = [query["sql"] for query in queries if "UPDATE catalog_stock" in query["sql"]]
    assert [f"product_id = {product.pk}" in sql for product, sql in zip(products, written, strict=True)] == [True, True]
    assert ["COMMIT" in sql for sql in written] == [False, True]
    assert set(Stock.objects.values_list("reserved", flat=True)) == {0}


def test_a_counter_that_cannot_be_written_undoes_everything():
    hold = HoldFactory(quantity=2)
    Stock.objects.update(reserved=1)

    with pytest.raises(IntegrityError):
        holds.release(hold.pk)

    assert Hold.objects.get().status == "active"
    assert Stock.objects.get().reserved == 1


def test_a_stock_that_is_missing_undoes_everything():
    hold = HoldFactory(quantity=2)

    @retrying_transaction
    def release_of_nothing() -> None:
        Hold.objects.update(customer_id="changed")
        inventory.release(999_999, units=1)

    with pytest.raises((DataError, inventory.StockMissing)):
        release_of_nothing()

    assert Hold.objects.get().customer_id == hold.customer_id


def test_a_stock_that_somebody_keeps_locked_is_a_matter_of_time_and_undoes_everything():
    hold = HoldFactory(quantity=2)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")

    with other_connection() as other:
        other.execute("SELECT 1 FROM catalog_stock FOR UPDATE")
        with pytest.raises(OperationalError):
            holds.release(hold.pk)

    connection.close()
    assert Hold.objects.get().status == "active"
    assert audit.find_drift() == []


def test_in_a_savepoint_it_is_done_at_once_and_undone_with_it():
    product = ProductFactory()
    Stock.objects.update(reserved=2)

    @retrying_transaction
    def try_and_go_on() -> None:
        try:
            with transaction.atomic():
                inventory.release(product.pk, units=1)
                assert Stock.objects.get().reserved == 1
                raise ValueError
        except ValueError:
            inventory.release(product.pk, units=2)

    try_and_go_on()

    assert Stock.objects.get().reserved == 0


def test_who_looks_at_the_stock_sees_what_was_to_be_written():
    product = ProductFactory(stock=10)
    Stock.objects.update(reserved=4)
    seen = []

    @retrying_transaction
    def release_and_look() -> None:
        inventory.release(product.pk, units=3)
        seen.append(inventory.lock(product.pk).free)

    release_and_look()

    assert seen == [9]
    assert Stock.objects.get().reserved == 1
