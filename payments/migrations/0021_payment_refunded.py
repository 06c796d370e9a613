"""An index for the back office's list of payments that went back, built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0020_payment_attempt_waiting")]
    operations = [
        AddIndexConcurrently(
            "payment",
            models.Index(name="payment_refunded", fields=["created_at"], condition=models.Q(status="refunded")),
        ),
    ]
