#!/usr/bin/env python
"""Django's command line. In local mode it runs on the embedded servers and starts them when they do not run."""

import os
import signal
import sys

# Before the slow imports: the kernel keeps these signals pending until `interrupts.hold` installs the handler.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

NEEDS_NO_SERVER = frozenset({"help", "version", "collectstatic"})
HELP_OPTIONS = frozenset({"--help", "-h", "--version"})
INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    from flashsale.core.commands.interrupts import Interrupted, interrupts

    interrupts.hold()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flashsale.settings")

    from django.core.exceptions import ImproperlyConfigured

    from flashsale.local import env_file, servers

    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    try:
        _run_or_say(command)
    except (ImproperlyConfigured, servers.EmbeddedError, env_file.CannotStart) as error:
        sys.exit(f"manage.py: {error}")
    except Interrupted as interrupted:
        if command != "up":
            sys.exit(interrupted.exit_code)
        sys.stdout.write("Stopped.\n")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output, such as `head`, closed it early.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_or_say(command: str) -> None:
    """Run the command; exit with a sentence instead of a traceback when a server that it needs cannot be used."""
    try:
        _run(command)
    except Exception as error:
        sentence = None if "--traceback" in sys.argv else _sentence_of(error)
        if sentence is None:
            raise
        sys.exit(f"manage.py: {sentence}")


def _sentence_of(error: Exception) -> str | None:
    """Return what an operator should know about an error; None while the settings are wrong, which have their own."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    if isinstance(error, ImproperlyConfigured) or not settings.configured:
        return None
    from flashsale.core import outages

    return outages.sentence_of(error)


def _run(command: str) -> None:
    """Run the command on the servers that it needs. Interrupts are held until these are ready; by `up`, to its end."""
    from django.core.management import execute_from_command_line

    from flashsale.core.commands.interrupts import interrupts

    lease = None
    try:
        interrupts.check()
        if command not in NEEDS_NO_SERVER and not HELP_OPTIONS.intersection(sys.argv):
            lease = _start_servers(command)
        if command != "up":
            interrupts.release()
        execute_from_command_line(sys.argv)
    finally:
        if lease:
            lease.close()
        interrupts.finish()


def _start_servers(command: str):
    """Return a lease on the embedded servers if the settings ask for them; `up` first chooses the settings."""
    from flashsale.core.configuration import environment
    from flashsale.local import env_file, servers

    if command == "up":
        state_dir = environment.state_dir()
        try:
            env_file.prepare(state_dir)
        except OSError as error:
            reason = error.strerror or error
            raise env_file.CannotStart(f"The state folder {state_dir} cannot be used: {reason}.") from error
    from django.conf import settings

    if settings.EMBEDDED_POSTGRES or settings.EMBEDDED_VALKEY:
        return servers.use(settings.STATE_DIR)
    return None


if __name__ == "__main__":
    main()
