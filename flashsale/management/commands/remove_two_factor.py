"""`manage.py remove_two_factor --name ann`: switch off two-factor log-in of an account whose phone is lost."""

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from flashsale.core.commands import arguments
from flashsale.staff.two_factor import devices


class Command(BaseCommand):
    help = "Switches off two-factor log-in of one account: for the only superuser, whose phone is lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="The user name.")

    def handle(self, *args, name: str, **options) -> None:
        user = User.objects.filter(username=arguments.storable(name, "--name")).first()
        if user is None:
            raise CommandError(f"There is no account {name!r}.")
        devices.remove_by_operator(user)
        self.stdout.write(f"Two-factor log-in of {user} is off.")
