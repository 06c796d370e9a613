"""Units of paid orders that staff put back on sale. Older code inserts rows without the new column: none were."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("checkout", "0007_refusal_counts")]
    operations = [
        migrations.AddField(
            model_name="order",
            name="restocked_units",
            field=models.IntegerField(
                "units put back", db_default=0, default=0, help_text="Units that staff put back on sale, after a refund."
            ),
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=models.Q(
                    ("restocked_units", 0),
                    models.Q(
                        ("restocked_units__gte", 0), ("restocked_units__lte", models.F("quantity")), ("status", "paid")
                    ),
                    _connector="OR",
                ),
                name="order_restocks_units_that_it_sold",
            ),
        ),
    ]
