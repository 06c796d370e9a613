"""`manage.py up`: the whole system on one's own machine; what `make run` runs."""

import contextlib
import http.client
import logging
import os
import shutil
import signal
import sys
import time

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from flashsale import server
from flashsale.core.commands.interrupts import interrupts
from flashsale.local import env_file, servers
from flashsale.local.programs import LocalSystem, LocalSystemError, Program, tail

HOST = "127.0.0.1"
START_SECONDS = 60
WATCH_SECONDS = 0.2
ANSWER_SECONDS = 2
SERVER_LOGS = ("keeper.log", "postgres.log", "valkey.log")


class Command(BaseCommand):
    help = "Run everything: migrations, demo data, web server, workers, beat. Ctrl-C stops it all."
    # The database may not have been migrated yet.
    requires_system_checks = ()

    def handle(self, **options) -> None:
        if not settings.LOCAL_MODE:
            raise CommandError("LOCAL_MODE is off (see .env): `up` is for a system on your own machine.")
        interrupts.hold()
        # What the demo's own orders say belongs into no terminal.
        logging.getLogger("flashsale.events").setLevel(logging.WARNING)
        try:
            with contextlib.ExitStack() as closing:
                port = self._alone(closing)
                self._prepare()
                self._run(closing, port)
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        except LocalSystemError as error:
            self.stderr.write(str(error))
            sys.exit(error.exit_code)

    def _alone(self, closing: contextlib.ExitStack) -> int:
        """Return the port, when this is the only system of its state folder and its port is free."""
        try:
            closing.enter_context(servers.locked(settings.STATE_DIR / "up.lock", seconds=0))
        except servers.EmbeddedError as error:
            raise CommandError(env_file.already_running(settings.STATE_DIR)) from error
        try:
            port = env_file.wanted_port(settings.STATE_DIR)
        except env_file.CannotStart as error:
            raise CommandError(str(error)) from error
        try:
            server.refuse_taken_port(HOST, port)
        except OSError as error:
            other = env_file.make_run(port=port + 1)
            raise CommandError(f"Port {port} cannot be used ({error.strerror}). Choose another: {other}") from error
        env_file.keep_port(settings.STATE_DIR, port)
        return port

    def _prepare(self) -> None:
        # Neither is cut short: an index that was being built, or a password that was not shown yet, would stay behind.
        interrupts.check()
        self._say("Preparing the database")
        call_command("migrate", interactive=False, verbosity=0)
        interrupts.check()
        call_command("seed_demo", stdout=self.stdout)

    def _run(self, closing: contextlib.ExitStack, port: int) -> None:
        stack = LocalSystem(settings.STATE_DIR / "logs", cwd=settings.BASE_DIR)
        _count_from_zero()
        closing.callback(stack.stop)
        closing.callback(lambda: self._say("Stopping"))
        for program in _programs(port):
            interrupts.check()
            stack.start(program)
        self._say("Starting web server, workers and beat")
        url = f"http://{HOST}:{port}"

        def is_open() -> bool:
            interrupts.check()
            _check_servers()
            return _answers(port)

        if not stack.wait_until(is_open, seconds=START_SECONDS):
            raise LocalSystemError(
                f"The web server did not answer within {START_SECONDS} s; see {settings.STATE_DIR}/logs."
            )
        self._say(
            f"\nThe sale is open:\n  products  {url}/api/v1/products\n  admin     {url}/admin/\n"
            f"  metrics   {url}/metrics\n  logs      {settings.STATE_DIR}/logs\n\n"
            f"{_elsewhere()}: {env_file.command('simulate_sale')}\nCtrl-C stops everything.\n"
        )
        while True:
            interrupts.check()
            _check_servers()
            stack.check()
            time.sleep(WATCH_SECONDS)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _count_from_zero() -> None:
    """Let all programs count together (see `flashsale.core.metrics`), without what earlier ones left behind."""
    folder = settings.STATE_DIR / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _elsewhere() -> str:
    """Return where a command for this system can be given; the addresses of other servers are in no file."""
    own = [name for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL") if os.environ.get(name)]
    return f"In another terminal, with the same {' and '.join(own)}" if own else "In another terminal"


def _check_servers() -> None:
    """Raise `LocalSystemError` with the servers' last lines when an embedded one has ended."""
    is_embedded = settings.EMBEDDED_POSTGRES or settings.EMBEDDED_VALKEY
    if is_embedded and not servers.is_running(settings.STATE_DIR):
        logs = [settings.STATE_DIR / name for name in SERVER_LOGS]
        raise LocalSystemError("An embedded server ended.\n" + "\n".join(f"{log}:\n{tail(log)}" for log in logs))


def _answers(port: int) -> bool:
    """Say whether the web server answers anything; asked directly, whatever proxy the environment names."""
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)) as connection:
        try:
            connection.request("GET", "/livez")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
    return True


def _programs(port: int) -> list[Program]:
    """Return what runs, in the order of starting; it is stopped the other way round."""
    celery = [sys.executable, "-m", "celery", "-A", "flashsale"]
    return [
        Program("web", server.argv(host=HOST, port=port)),
        # On SIGTERM a worker finishes its tasks, and may wait without end for a broker that was killed with it.
        *(
            Program(name, [*celery, *argv, "-l", "info"], death_signal=signal.SIGKILL)
            for name, argv in {
                "worker": ["worker", "-Q", "celery", "-c", "2", "-n", "default@%h"],
                "worker-expiry": ["worker", "-Q", "expiry", "-c", "1", "-n", "expiry@%h"],
                "beat": ["beat"],
            }.items()
        ),
    ]
