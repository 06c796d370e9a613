"""After a test with transactions of its own, the next one finds what it would find after Django's flush."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import TransactionTestCase

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.tests.support import emptying

pytestmark = pytest.mark.django_db(transaction=True)
CASE = TransactionTestCase()


@pytest.fixture
def flushes(monkeypatch, transactional_db):
    """The flushes of Django's that were needed, once one has created the permissions and roles."""
    emptying.empty_all(CASE)
    monkeypatch.setattr(emptying.Created, "rows", emptying.created_rows())
    found = []
    monkeypatch.setattr(emptying, "_flush", found.append)
    return found


def filled_tables() -> list[str]:
    """Return the names of the emptied tables in which there are rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in emptying.emptied_tables()
            )
        )
        return [table for (table,) in cursor.fetchall()]


def test_all_rows_are_deleted_and_what_post_migrate_created_stays(flushes, django_user_model):
    django_user_model.objects.create_user("eve").user_permissions.set(Permission.objects.all()[:1])
    order, created = OrderFactory(), emptying.created_rows()
    assert {Order._meta.db_table, django_user_model._meta.db_table} < set(filled_tables())

    emptying.empty_all(CASE)

    assert (flushes, filled_tables(), emptying.created_rows()) == ([], [], created)
    assert Order.objects.filter(pk=order.pk).count() == 0


@pytest.mark.parametrize("statement", ["DELETE FROM auth_group_permissions", "UPDATE auth_permission SET name = 'x'"])
def test_django_creates_again_what_a_test_has_changed(flushes, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)

    emptying.empty_all(CASE)

    assert len(flushes) == 1


def test_django_truncates_where_a_table_has_become_large(flushes, monkeypatch):
    monkeypatch.setattr(emptying, "MAX_FILE_BYTES", 0)
    OrderFactory()

    emptying.empty_all(CASE)

    assert len(flushes) == 1


def test_django_truncates_where_rows_were_counted_so_that_plans_are_those_of_a_new_table(flushes):
    OrderFactory()
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Order._meta.db_table}")

    emptying.empty_all(CASE)

    assert len(flushes) == 1


def test_every_table_of_a_model_is_emptied_or_compared():
    tables = set(connection.introspection.django_table_names(only_existing=True))

    assert set(emptying.emptied_tables()) | emptying.CREATED == tables
    assert len(emptying.created_rows()) == len(emptying.CREATED)
