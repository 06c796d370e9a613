"""Asking the providers joins the beat's schedule: their events every 5 minutes, their payments every day."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0009_payment_schedule"), SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Read events of payment providers", task="payments.tasks.sweep_events",
            every=300, period="seconds", expire_seconds=300,
        ),
        ScheduleTask(
            "Compare payments with their providers", task="payments.tasks.compare_payments",
            every=1, period="days", expire_seconds=3600,
        ),
    ]
