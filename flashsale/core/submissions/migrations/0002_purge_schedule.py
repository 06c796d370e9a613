"""The daily purge of old tokens and unconfirmed uploads joins the beat's schedule."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("submissions", "0001_initial"), SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Purge old form tokens", task="flashsale.core.submissions.tasks.purge_submissions",
            every=1, period="days", expire_seconds=3600,
        ),
    ]
