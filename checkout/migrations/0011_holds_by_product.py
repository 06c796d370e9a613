"""Indexes for the lists of staff: holds of a product, orders whose money is due for refund; built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("checkout", "0010_staff_lookups")]
    operations = [
        AddIndexConcurrently("hold", models.Index(name="hold_by_product", fields=["product", "created_at"])),
        AddIndexConcurrently(
            "order",
            models.Index(name="order_refund_due", fields=["created_at"], condition=models.Q(refund="due")),
        ),
    ]
