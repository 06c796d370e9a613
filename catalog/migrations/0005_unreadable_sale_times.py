"""Remove sale times that Python cannot represent or show: one such row makes every list with its product fail.

Removing the start of a sale that would never begin, or the end of one that is over, would open it: such a product is
paused.
"""

import logging

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

# In SQL, because Python cannot read these rows. A comparison with null is null, so null columns stay null.
IN_RANGE = "{0} >= '2000-01-01T00:00Z' AND {0} < '3000-01-01T00:00Z'"
CLEARED = ", ".join(
    f"{name} = CASE WHEN {IN_RANGE.format(name)} THEN {name} END" for name in ("sale_starts_at", "sale_ends_at")
)
UNREADABLE = f"NOT ({IN_RANGE.format('sale_starts_at')}) OR NOT ({IN_RANGE.format('sale_ends_at')})"
PAUSED = """
paused_at = CASE
    WHEN sale_starts_at >= '3000-01-01T00:00Z' OR sale_ends_at < '2000-01-01T00:00Z'
    THEN coalesce(paused_at, clock_timestamp()) ELSE paused_at
END"""

logger = logging.getLogger("flashsale.migrations")


def clear(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"UPDATE catalog_product SET {CLEARED}, {PAUSED} WHERE {UNREADABLE} RETURNING id")
        changed = sorted(row[0] for row in cursor.fetchall())
        cursor.execute(f"UPDATE catalog_productevent SET {CLEARED} WHERE {UNREADABLE}")
        versions = cursor.rowcount
    if changed or versions:
        logger.warning(
            "Sale times outside 2000-01-01 to 2999-12-31 were removed from %s products (ids %s) and from %s versions in"
            " the history of products. A sale that would have opened by this is paused.",
            len(changed),
            ", ".join(map(str, changed)) or "-",
            versions,
        )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_sale_times_in_range")]
    operations = [
        migrations.RunPython(clear, migrations.RunPython.noop),
        ValidateConstraint("product", "product_sale_starts_at_is_in_range"),
        ValidateConstraint("product", "product_sale_ends_at_is_in_range"),
    ]
