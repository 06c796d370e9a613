"""An index for the payments of the last minutes and of a day."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    # An index is built concurrently outside of transactions.
    atomic = False
    dependencies = [("payments", "0010_payment_with_refund_due")]
    operations = [
        AddIndexConcurrently("payment", models.Index(fields=["created_at"], name="payment_by_creation")),
    ]
