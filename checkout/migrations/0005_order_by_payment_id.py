"""An index for look-ups by payment id, in place of the UNIQUE one that 0006 drops; built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("checkout", "0004_proved_payment_ids")]
    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(
                condition=models.Q(("payment_id__isnull", False)), fields=["payment_id"], name="order_by_payment_id"
            ),
        ),
    ]
