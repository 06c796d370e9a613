"""What a transaction sends with its COMMIT: in order, all of it or nothing."""

import re

import pghistory
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog import inventory
from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.statements import AssertionFailed
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


def test_a_history_context_around_the_verbs_changes_nothing():
    hold, order = HoldFactory(quantity=2), OrderFactory(quantity=3)

    with pghistory.context(user=1):
        holds.revoke(hold.pk)
        orders.revoke(order.pk)
        holds.place(product_id=hold.product_id, quantity=1)
        inventory.adjust(product_id=hold.product_id, delta=5, reason="Counted again")

    assert Stock.objects.get(pk=hold.product_id).free == 14
    assert audit.find_drift() == []


def test_several_stocks_are_written_in_ascending_order_with_one_commit():
    products = [ProductFactory(), ProductFactory()]
    for product in products:
        Stock.objects.filter(pk=product.pk).update(reserved=1)

    @retrying_transaction
    def release_both() -> None:
        for product in reversed(products):
            inventory.release(product.pk, units=1)

    with CaptureQueriesContext(connection) as queries:
        release_both()

    [message] = [query["sql"] for query in queries if "UPDATE catalog_stock" in query["sql"]]
    assert re.findall(r"WHERE product_id = (\d+)\s+RETURNING", message) == [str(product.pk) for product in products]
    assert message.count("COMMIT") == 1
    assert message.endswith("COMMIT")
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

    with pytest.raises(AssertionFailed, match="product 999999 has no stock row"):
        release_of_nothing()

    assert Hold.objects.get().customer_id == hold.customer_id


def test_a_stock_that_is_missing_is_an_error_also_before_the_commit():
    @retrying_transaction
    def release_of_nothing() -> None:
        with transaction.atomic():
            inventory.release(999_999, units=1)

    with pytest.raises(AssertionFailed, match="product 999999 has no stock row"):
        release_of_nothing()


def test_a_stock_that_stays_locked_undoes_everything_with_a_transient_error():
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


def test_in_a_savepoint_a_write_is_sent_at_once_and_undone_with_it():
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


def test_locking_the_stock_sends_deferred_writes_first():
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
