"""`manage.py up`: the whole system on one's own machine; what `make run` runs."""

import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from flashsale import embedded, local
from flashsale.stack import Program, Stack, StackError

HOST = "127.0.0.1"
START_SECONDS = 60
WATCH_SECONDS = 0.2
WEB_WORKERS = 2
WEB_THREADS = 16
WEB_STOP_SECONDS = 10


class Command(BaseCommand):
    help = "Run everything: migrations, demo data, web server, workers, beat. Ctrl-C stops it all."
    # The database may not have been migrated yet.
    requires_system_checks = ()

    def handle(self, **options) -> None:
        if not settings.LOCAL_MODE:
            raise CommandError("LOCAL_MODE is off (see .env): `up` is for a system on your own machine.")
        port = int(os.environ["PORT"])
        # SIGINT too: a shell that starts this in the background lets it ignore Ctrl-C.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            with ExitStack() as closing:
                self._alone(closing, port)
                self._run(closing, port)
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        except StackError as error:
            self.stderr.write(str(error))
            sys.exit(error.exit_code)

    def _alone(self, closing: ExitStack, port: int) -> None:
        """Make sure that this is the only system of its state folder and that its port is free."""
        try:
            closing.enter_context(embedded.locked(settings.STATE_DIR / "up.lock", seconds=0))
        except embedded.EmbeddedError as error:
            raise CommandError(local.already_running(settings.STATE_DIR)) from error
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                message = f"Port {port} cannot be used ({error.strerror}). Choose another: make run PORT={port + 1}"
                raise CommandError(message) from error

    def _run(self, closing: ExitStack, port: int) -> None:
        self._say("Preparing the database")
        call_command("migrate", interactive=False, verbosity=0)
        call_command("seed_demo", stdout=self.stdout)
        stack = Stack(settings.STATE_DIR / "logs", cwd=settings.BASE_DIR)
        closing.callback(stack.stop)
        closing.callback(lambda: self._say("Stopping"))
        for program in _programs(port):
            stack.start(program)
        self._say("Starting web server, workers and beat")
        url = f"http://{HOST}:{port}"
        if not stack.wait_until(lambda: _answers(f"{url}/livez"), seconds=START_SECONDS):
            raise StackError(f"The web server did not answer within {START_SECONDS} s; see {settings.STATE_DIR}/logs.")
        self._say(
            f"\nThe sale is open:\n  products  {url}/api/v1/products\n  admin     {url}/admin/\n"
            f"  logs      {settings.STATE_DIR}/logs\n\nIn another terminal: {sys.executable} manage.py simulate_sale\n"
            "Ctrl-C stops everything.\n"
        )
        while not settings.EMBEDDED_POSTGRES or embedded.is_running(settings.STATE_DIR):
            stack.check()
            time.sleep(WATCH_SECONDS)
        raise StackError(f"An embedded server ended; see {settings.STATE_DIR}/keeper.log and postgres.log.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
            return True
    except (urllib.error.URLError, OSError):
        return False


def _programs(port: int) -> list[Program]:
    """Return what runs, in the order of starting; it is stopped the other way round."""
    python = [sys.executable, "-m"]
    web = ["granian", "--interface", "wsgi", "flashsale.wsgi:application", "--host", HOST, "--port", str(port)]
    web += ["--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS), "--respawn-failed-workers"]
    # A worker process that is told to stop while it still imports the application does not hear it.
    web += ["--workers-kill-timeout", str(WEB_STOP_SECONDS)]
    celery = [*python, "celery", "-A", "flashsale"]
    return [
        Program("web", [*python, *web]),
        Program("worker", [*celery, "worker", "-Q", "celery", "-c", "2", "-n", "default@%h", "-l", "info"]),
        Program("worker-expiry", [*celery, "worker", "-Q", "expiry", "-c", "1", "-n", "expiry@%h", "-l", "info"]),
        Program("beat", [*celery, "beat", "-l", "info"]),
    ]
