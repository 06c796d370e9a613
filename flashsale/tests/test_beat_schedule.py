"""The beat's schedule: every task is in it."""

from django_celery_beat.models import PeriodicTask

from flashsale.celery import app as celery_app


def test_every_task_is_scheduled_and_every_entry_expires(schedule):
    scheduled = PeriodicTask.objects.exclude(name="celery.backend_cleanup")

    celery_app.loader.import_default_modules()
    assert {task.task for task in scheduled} == {
        name for name in celery_app.tasks if name.startswith(("catalog.", "checkout.", "payments.", "flashsale."))
    }
    assert all(task.expire_seconds for task in scheduled)
    assert {task.task for task in scheduled if task.queue == "expiry"} == {
        "checkout.tasks.expire_holds",
        "checkout.tasks.expire_orders",
    }
    intervals = {task.task: (task.interval.every, task.interval.period) for task in scheduled}
    assert intervals["checkout.tasks.expire_holds"] == (2, "seconds")
    assert intervals["checkout.tasks.expire_orders"] == (5, "seconds")
    assert intervals["payments.tasks.sweep_events"] == (300, "seconds")
    assert intervals["payments.tasks.compare_payments"] == (1, "days")
