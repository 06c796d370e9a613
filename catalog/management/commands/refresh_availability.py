"""`manage.py refresh_availability`: rebuild the cached product answers."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog import snapshot_refresh, snapshots


class Command(BaseCommand):
    help = "Rebuild the product answers cached in Redis from PostgreSQL. Exit 1 when Redis does not answer."

    def handle(self, **options: Any) -> None:
        try:
            refreshed = snapshot_refresh.refresh_availability()
        except snapshots.RedisUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{refreshed} products refreshed")
