"""`manage.py unlock_logins [--name ann]`: delete failed log-ins, which unlocks the names."""

from django.core.management.base import BaseCommand, CommandParser

from flashsale.core.commands import arguments
from flashsale.staff.logins import attempts


class Command(BaseCommand):
    help = "Unlocks user names that were locked after too many wrong passwords: all of them, or one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", help="Only this user name.")

    def handle(self, *args, name: str | None, **options) -> None:
        name = None if name is None else arguments.storable(name, "--name")
        self.stdout.write(f"{attempts.unlock(name=name)} forgotten.")
