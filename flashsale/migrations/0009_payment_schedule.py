"""Payments that the shop makes join the beat's schedule: started and closed by a worker of their own, looked up."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0008_purge_schedule"), SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Start and close payments", task="payments.tasks.start_and_close_payments",
            every=1, period="seconds", expire_seconds=2, queue="payments",
        ),
        ScheduleTask(
            "Look up payments", task="payments.tasks.look_up_payments",
            every=60, period="seconds", expire_seconds=60,
        ),
    ]
