"""Sending webhooks, and the purge of their deliveries, join the beat's schedule."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0011_outbox_schedule"), SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Send webhooks", task="flashsale.outbox.tasks.send_webhooks",
            every=1, period="seconds", expire_seconds=2, queue="webhooks",
        ),
        ScheduleTask(
            "Purge deliveries", task="flashsale.outbox.tasks.purge_deliveries",
            every=1, period="days", expire_seconds=3600,
        ),
    ]
