"""pytest plugin: empty the tables after a test with transactions of its own, without creating what has not changed.

Django truncates all tables, which costs the most for empty ones, and then creates content types, permissions and roles
again. Here rows are deleted where there are any; Django does it when one of those has changed, or a table has become
large.
"""

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

# What `post_migrate` creates.
CREATED = {
    "django_content_type", "auth_permission", "auth_group", "auth_group_permissions", "flashsale_rolesmade",
}  # fmt: skip
# Deleted rows stay in the file of their table. The planner takes a smaller file for one of this size until the table is
# analyzed: plans are those of a truncated table.
MAX_FILE_BYTES = 10 * 8192

_flush = TransactionTestCase._fixture_teardown


class Created:
    """What `post_migrate` created in this process's database, at the last flush."""

    rows: list[tuple[object, ...]] | None = None


def emptied_tables() -> list[str]:
    """Return the names of the tables that are emptied."""
    return sorted(set(connection.introspection.django_table_names(only_existing=True)) - CREATED)


def created_rows() -> list[tuple[object, ...]]:
    """Return a digest of the rows of each table in `CREATED`; nothing where this user may not switch triggers off."""
    digests = " UNION ALL ".join(
        f"SELECT '{table}', md5(string_agg(row::text, ' ' ORDER BY row.id)) FROM {table} row"
        for table in sorted(CREATED)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({digests}) all_rows WHERE current_setting('is_superuser')::boolean")
        return cursor.fetchall()


def delete_rows() -> bool:
    """Delete all rows; returns False, and leaves them, when a table's file is large or its rows were counted."""
    tables = emptied_tables()
    with transaction.atomic(), connection.cursor() as cursor:
        # As TRUNCATE does, this waits for transactions that are still open.
        cursor.execute(f"LOCK TABLE {', '.join(tables)}")
        cursor.execute(
            "SELECT FROM pg_class WHERE oid = ANY(%s::regclass[]) AND (reltuples >= 0 OR pg_relation_size(oid) > %s)",
            [tables, MAX_FILE_BYTES],
        )
        if cursor.rowcount:
            return False
        cursor.execute(" UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables))
        filled = [table for (table,) in cursor.fetchall()]
        # No foreign key is checked, no trigger refuses or records it.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in filled:
            cursor.execute(f"DELETE FROM {table}")
    return True


def empty_all(case: TransactionTestCase) -> None:
    """Leave the database as Django's flush does."""
    if Created.rows and created_rows() == Created.rows and delete_rows():
        return
    _flush(case)
    Created.rows = created_rows()


@pytest.fixture
def new_tables(db: None) -> None:
    """Tables as they are when they are new, for a test that looks at a plan: what others left in them decides nothing.

    It stands before the fixtures that add rows.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(emptied_tables())}")


def pytest_configure(config: pytest.Config) -> None:
    """Let it replace Django's flush."""
    TransactionTestCase._fixture_teardown = empty_all
