"""The index of sold units has the units that were put back, too; built concurrently before the old one is dropped."""

from django.contrib.postgres.operations import RemoveIndexConcurrently, ValidateConstraint
from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("checkout", "0008_restocked_units")]
    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(
                condition=models.Q(("status", "paid")),
                fields=["product"],
                include=("quantity", "restocked_units"),
                name="order_sold_by_product",
            ),
        ),
        RemoveIndexConcurrently("order", "order_paid_by_product"),
        ValidateConstraint("order", "order_restocks_units_that_it_sold"),
    ]
