"""The purge of expired sessions and failed log-ins joins the beat's schedule."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0007_forget_axes_rows"), SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Purge sessions and failed log-ins", task="flashsale.tasks.purge_logins",
            every=1, period="hours", expire_seconds=3600,
        ),
    ]
