"""Automatic refunds join the beat's schedule; where no provider is set up for them, the task does nothing."""

from django.db import migrations

from flashsale.core.migrations import ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0001_beat_schedule")]
    operations = [
        ScheduleTask(
            "Refund payments", task="payments.tasks.refund_payments", every=60, period="seconds", expire_seconds=60,
        ),
    ]
