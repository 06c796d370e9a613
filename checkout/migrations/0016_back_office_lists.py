"""Indexes for the back office's lists of orders, built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently

CLOSED = models.Q(status__in=["cancelled", "expired"])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("checkout", "0015_order_metadata_is_an_object")]
    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(name="order_refund_done", fields=["created_at"], condition=models.Q(refund="done")),
        ),
        AddIndexConcurrently(
            "order",
            models.Index(name="order_closed_by_status", fields=["status", "created_at"], condition=CLOSED),
        ),
    ]
