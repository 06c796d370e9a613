#!/usr/bin/env python
"""Django's command line. In local mode it runs on the embedded servers and starts them when they do not run."""

import os
import sys
from pathlib import Path

NEEDS_NO_SERVER = frozenset({"help", "version", "--help", "-h", "--version", "collectstatic"})


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flashsale.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from flashsale import embedded, local

    try:
        if command == "up":
            local.prepare(_state_dir())
        from django.conf import settings

        lease = None
        if (settings.EMBEDDED_POSTGRES or settings.EMBEDDED_VALKEY) and command not in NEEDS_NO_SERVER:
            lease = embedded.use(settings.STATE_DIR)
    except (ImproperlyConfigured, embedded.EmbeddedError, local.CannotStart) as error:
        sys.exit(f"manage.py: {error}")
    except OSError as error:
        sys.exit(f"manage.py: the state folder {_state_dir()} cannot be used: {error.strerror or error}")
    try:
        execute_from_command_line(sys.argv)
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        if lease:
            lease.close()


def _state_dir() -> Path:
    return Path(os.environ.get("STATE_DIR") or Path(__file__).resolve().parent / ".state").absolute()


if __name__ == "__main__":
    main()
