"""Management commands, run in this process."""

from io import StringIO

from django.core.management import call_command


def run(command: str, *args: str) -> str:
    """Return what the command prints."""
    out = StringIO()
    call_command(command, *args, stdout=out)
    return out.getvalue()
