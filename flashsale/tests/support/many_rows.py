"""Tables with so many rows that the planner chooses as in production."""

from django.db import connection

FILL = "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} AS one CROSS JOIN {numbers} WHERE one.{key} = %s"
NUMBERS = "generate_series(1, 20000) AS numbers (n)"
FREE_HOLDS = """
(SELECT id AS free_hold, row_number() OVER () AS n FROM checkout_hold
 WHERE id NOT IN (SELECT hold_id FROM checkout_order)) AS numbers
"""


def multiply(row, *, numbers: str = NUMBERS, **changed: str) -> None:
    """Store 20,000 copies of a row, different in their keys and in `changed` (columns and expressions of SQL)."""
    options = type(row)._meta
    columns = [field.column for field in options.concrete_fields if field.column in changed or not field.primary_key]
    values = ", ".join(changed.get(column, f"one.{column}") for column in columns)
    statement = FILL.format(
        table=options.db_table, columns=", ".join(columns), values=values, numbers=numbers, key=options.pk.column
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [row.pk])
        cursor.execute(f"ANALYZE {options.db_table}")
