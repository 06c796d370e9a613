"""`manage.py refresh_availability`: rebuild what Redis keeps."""

from django.core.management.base import BaseCommand, CommandError

from catalog import snapshot_refresh, snapshots


class Command(BaseCommand):
    help = "Rebuild the product answers kept in Redis from PostgreSQL. Exit 1 when Redis does not answer."

    def handle(self, **options) -> None:
        try:
            refreshed = snapshot_refresh.refresh_availability()
        except snapshots.StoreSilent as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{refreshed} products refreshed")
