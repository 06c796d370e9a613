"""The hourly purge of Idempotency-Keys and of the secrets in their answers joins the beat's schedule."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("submissions", "0003_keyed_requests"), SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Purge keys of the back office API", task="flashsale.core.submissions.tasks.purge_keyed_requests",
            every=1, period="hours", expire_seconds=3600,
        ),
    ]
