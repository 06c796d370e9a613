"""The purge of old events for the back end joins the beat's schedule."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0010_asking_schedule"), SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Purge old events", task="flashsale.outbox.tasks.purge_events", every=1, period="days", expire_seconds=3600,
        ),
    ]
