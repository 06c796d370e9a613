"""Expired sessions and failed log-ins are purged; the beat's schedule gets a row for it."""

from django.db import migrations


def create_default(apps, schema_editor):
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    interval, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    PeriodicTask.objects.get_or_create(
        name="Purge sessions and failed log-ins",
        defaults={"task": "flashsale.tasks.purge_logins", "interval": interval, "expire_seconds": 3600},
    )


class Migration(migrations.Migration):
    dependencies = [
        ("flashsale", "0007_forget_axes_rows"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create_default, migrations.RunPython.noop)]
