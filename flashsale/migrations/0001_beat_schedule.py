"""The beat's default schedule, created once: what staff change or delete afterwards stays as they left it."""

from django.db import migrations

SECONDS, DAYS = "seconds", "days"
# name, task, every, period, seconds after which a run that has not started is dropped, queue
DEFAULTS = [
    ("Expire holds", "checkout.tasks.expire_holds", 2, SECONDS, 4, "expiry"),
    ("Expire unpaid orders", "checkout.tasks.expire_orders", 5, SECONDS, 10, "expiry"),
    ("Reconcile webhook events", "payments.tasks.reconcile_webhook_events", 5, SECONDS, 10, None),
    ("Refresh availability", "catalog.tasks.refresh_availability", 60, SECONDS, 60, None),
    ("Audit stock", "checkout.tasks.audit_stock", 60, SECONDS, 60, None),
    ("Purge old holds", "checkout.tasks.purge_holds", 1, DAYS, 3600, None),
    ("Purge old webhook bodies", "payments.tasks.purge_event_bodies", 1, DAYS, 3600, None),
]


def create_defaults(apps, schema_editor):
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, task, every, period, expire_seconds, queue in DEFAULTS:
        interval, _ = IntervalSchedule.objects.get_or_create(every=every, period=period)
        PeriodicTask.objects.get_or_create(
            name=name, defaults={"task": task, "interval": interval, "expire_seconds": expire_seconds, "queue": queue}
        )


class Migration(migrations.Migration):
    dependencies = [("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(create_defaults, migrations.RunPython.noop)]
