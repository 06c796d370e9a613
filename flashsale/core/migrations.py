"""Operations for migrations that run while the previous version still serves requests."""

from typing import Any

from django.contrib.postgres import operations
from django.db import migrations

FIND = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Django's operation, made safe to run again after it was interrupted.

    It runs outside a transaction: an interrupted build leaves an invalid index, a completed one may not be recorded as
    applied, and either makes every later run fail.

    Source: "Building Indexes Concurrently", https://www.postgresql.org/docs/current/sql-createindex.html
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build the index unless a valid one exists; an invalid one is dropped first."""
        if not _is_built(self.index.name, schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class AddUniqueConcurrently(operations.NotInTransactionMixin, migrations.AddConstraint):
    """Add a UNIQUE constraint with a condition, which Django keeps as a unique index, as `AddIndexConcurrently` does.

    Fails where stored rows violate it; the next run, after they were corrected, builds it again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build the unique index unless a valid one exists; an invalid one is dropped first."""
        self._ensure_not_in_transaction(schema_editor)
        if not _is_built(self.constraint.name, schema_editor):
            model = to_state.apps.get_model(app_label, self.model_name)
            sql = str(self.constraint.create_sql(model, schema_editor))
            schema_editor.execute(sql.replace("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX CONCURRENTLY", 1))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the unique index."""
        self._ensure_not_in_transaction(schema_editor)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.constraint.name)}")


def _is_built(index: str, schema_editor: Any) -> bool:
    """Say whether a valid index of this name exists; an invalid one is dropped."""
    name = schema_editor.quote_name(index)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(FIND, [name])
        row = cursor.fetchone()
    is_valid = bool(row and row[0])
    if row and not is_valid:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY {name}")
    return is_valid


class ScheduleTask(migrations.RunPython):
    """Add a task to the beat's schedule, unless an entry of this name is there; staff may change or delete it later.

    Reversing it keeps the entry: the previous version ignores tasks that it does not have. The migration depends on
    `SCHEDULE_TABLES`.
    """

    def __init__(
        self,
        name: str,
        *,
        task: str,
        every: int,
        period: str,
        expire_seconds: int,
        queue: str | None = None,
    ) -> None:
        """Schedule `task` (such as "checkout.tasks.audit_stock") for each `every` periods ("seconds", "hours", "days").

        A run that no worker started within `expire_seconds` is dropped. `queue` is the default one without a name.
        """
        self._entry = {"task": task, "expire_seconds": expire_seconds, "queue": queue}
        self._name, self._every, self._period = name, every, period
        super().__init__(self.create, migrations.RunPython.noop)

    def create(self, apps: Any, schema_editor: Any = None) -> None:
        """Create the entry in django-celery-beat's tables, as the models of `apps` have them."""
        intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
        interval, _ = intervals.get_or_create(every=self._every, period=self._period)
        entries = apps.get_model("django_celery_beat", "PeriodicTask").objects
        entries.get_or_create(name=self._name, defaults=self._entry | {"interval": interval})


# What a migration with a `ScheduleTask` depends on.
SCHEDULE_TABLES = ("django_celery_beat", "0019_alter_periodictasks_options")
