"""`manage.py refresh_availability`: rebuild what Redis keeps."""

from django.core.management.base import BaseCommand

from catalog import refresh


class Command(BaseCommand):
    help = "Rebuild the product answers kept in Redis from PostgreSQL."

    def handle(self, **options) -> None:
        self.stdout.write(f"{refresh.refresh_availability()} products refreshed")
