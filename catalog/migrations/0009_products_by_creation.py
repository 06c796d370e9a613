"""Indexes for the back office's list of products, built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("catalog", "0008_stock_announcements")]
    operations = [
        AddIndexConcurrently("product", models.Index(name="product_by_creation", fields=["created_at"])),
        AddIndexConcurrently(
            "product", models.Index(name="product_published_by_creation", fields=["is_published", "created_at"])
        ),
    ]
