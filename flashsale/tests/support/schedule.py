"""The beat's default schedule for tests: a test that empties the tables loses what the migrations put there."""

from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from flashsale.core.migrations import ScheduleTask


def fill_schedule() -> None:
    """Add the entries of all migrations again; those that exist stay."""
    for migration in MigrationLoader(connection=None).disk_migrations.values():
        for operation in migration.operations:
            if isinstance(operation, ScheduleTask):
                operation.create(apps)
