"""Indexes for the lists of staff: holds and orders of a customer, orders of a product, built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently

NAMED = ~models.Q(customer_id="")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("checkout", "0009_order_sold_by_product")]
    operations = [
        AddIndexConcurrently(
            "hold",
            models.Index(name="hold_by_customer", fields=["customer_id", "created_at"], condition=NAMED),
        ),
        AddIndexConcurrently(
            "order",
            models.Index(name="order_by_customer", fields=["customer_id", "created_at"], condition=NAMED),
        ),
        AddIndexConcurrently("order", models.Index(name="order_by_product", fields=["product", "created_at"])),
    ]
