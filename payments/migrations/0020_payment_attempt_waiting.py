"""An index for the number of payments that wait for their provider; built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0019_refunds_by_tokens")]

    operations = [
        AddIndexConcurrently(
            "paymentattempt",
            models.Index(
                name="payment_attempt_waiting", fields=["shop_id"], condition=models.Q(("status", "creating"))
            ),
        ),
    ]
