"""The schedule of background work in the admin."""

from typing import Any

from django.contrib import admin
from django_celery_beat.admin import PeriodicTaskAdmin as BasePeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from flashsale.core.staff.model_admin import BaseAdmin

for model in (PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)


class ScheduleForm(PeriodicTaskForm):
    """The task's form with the theme's fields."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["regtask"].widget = UnfoldAdminSelectWidget(choices=self.fields["regtask"].choices)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()

    def clean(self) -> dict[str, Any]:
        """Skip the package's validation when the task's name cannot be stored: it queries by that name."""
        return self.cleaned_data if "task" in self.errors else super().clean()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(BasePeriodicTaskAdmin, BaseAdmin):
    form = ScheduleForm
    # The package's template has an inline script, which the Content-Security-Policy forbids.
    change_form_template = None
    # Without `toggle_tasks`, which is not idempotent.
    actions = ("enable_tasks", "disable_tasks", "run_tasks")


@admin.register(IntervalSchedule, CrontabSchedule)
class ScheduleAdmin(BaseAdmin):
    pass
