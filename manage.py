#!/usr/bin/env python
"""Django's command line. In local mode it runs on the embedded servers and starts them when they do not run."""

import os
import sys

NEEDS_NO_SERVER = frozenset({"help", "version", "collectstatic"})
HELP_OPTIONS = frozenset({"--help", "-h", "--version"})
INTERRUPTED = 128 + 2


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flashsale.settings")

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from flashsale import embedded, local

    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    lease = None
    try:
        if command not in NEEDS_NO_SERVER and not HELP_OPTIONS.intersection(sys.argv):
            lease = _start_servers(command)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, embedded.EmbeddedError, local.CannotStart) as error:
        sys.exit(f"manage.py: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        if lease:
            lease.close()


def _start_servers(command: str):
    """Return a lease on the embedded servers when the settings ask for them; the command `up` chooses those first."""
    from flashsale import embedded, environment, local

    if command == "up":
        state_dir = environment.state_dir()
        try:
            local.prepare(state_dir)
        except OSError as error:
            reason = error.strerror or error
            raise local.CannotStart(f"The state folder {state_dir} cannot be used: {reason}.") from error
    from django.conf import settings

    if settings.EMBEDDED_POSTGRES or settings.EMBEDDED_VALKEY:
        return embedded.use(settings.STATE_DIR)
    return None


if __name__ == "__main__":
    main()
