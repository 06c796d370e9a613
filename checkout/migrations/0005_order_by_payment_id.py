"""An index for look-ups of payment ids, in place of the one of UNIQUE; built while the sale goes on."""

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
