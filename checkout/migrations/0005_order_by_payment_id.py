"""An index for staff's look-ups of payment ids, in place of the one that UNIQUE brought; built while the sale goes on."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


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
