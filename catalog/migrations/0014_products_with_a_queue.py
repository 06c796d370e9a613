"""An index of the few products that have a queue, built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("catalog", "0013_product_queue_validated")]
    operations = [
        AddIndexConcurrently(
            "product", models.Index(name="product_with_queue", fields=["id"], condition=models.Q(queue="on"))
        ),
    ]
