"""An index for the list of payment attempts, newest first; built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0017_event_sweeps")]
    operations = [
        AddIndexConcurrently(
            "paymentattempt", models.Index(name="payment_attempt_by_creation", fields=["created_at"])
        ),
    ]
