"""The daily purge of old tokens and unconfirmed uploads joins the beat's schedule."""

from django.db import migrations


def create_default(apps, schema_editor):
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    interval, _ = IntervalSchedule.objects.get_or_create(every=1, period="days")
    PeriodicTask.objects.get_or_create(
        name="Purge old form tokens",
        defaults={
            "task": "flashsale.core.submissions.tasks.purge_submissions", "interval": interval, "expire_seconds": 3600,
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("submissions", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create_default, migrations.RunPython.noop)]
