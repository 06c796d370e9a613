"""Automatic refunds join the beat's schedule; where no provider is set up for them, the task does nothing."""

from django.db import migrations


def create_default(apps, schema_editor):
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    interval, _ = IntervalSchedule.objects.get_or_create(every=60, period="seconds")
    PeriodicTask.objects.get_or_create(
        name="Refund payments",
        defaults={"task": "payments.tasks.refund_payments", "interval": interval, "expire_seconds": 60},
    )


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0001_beat_schedule")]
    operations = [migrations.RunPython(create_default, migrations.RunPython.noop)]
