"""The beat's default schedule for tests: what a migration put there goes with every test that empties the tables."""

from importlib import import_module

from django.apps import apps

MADE_BY = (
    ("flashsale.migrations.0001_beat_schedule", "create_defaults"),
    ("flashsale.migrations.0002_refund_schedule", "create_default"),
    ("flashsale.core.submissions.migrations.0002_purge_schedule", "create_default"),
    ("flashsale.migrations.0008_purge_schedule", "create_default"),
)


def fill_schedule() -> None:
    """Do again what the migrations did; what is there stays."""
    for migration, function in MADE_BY:
        getattr(import_module(migration), function)(apps, None)
