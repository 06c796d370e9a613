"""Indexes for lists and counts by time of creation, built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("checkout", "0002_idempotency_keys")]
    operations = [
        AddIndexConcurrently("hold", models.Index(name="hold_by_creation", fields=["created_at"])),
        AddIndexConcurrently("order", models.Index(name="order_by_creation", fields=["created_at"])),
    ]
