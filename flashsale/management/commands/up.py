"""`manage.py up`: the whole system on one's own machine; what `make run` runs."""

import contextlib
import http.client
import logging
import os
import shutil
import signal
import sys

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from flashsale import server
from flashsale.core import ports
from flashsale.core.commands.interrupts import interrupts
from flashsale.local import env_file, servers
from flashsale.local.programs import LocalSystem, LocalSystemError, Program, tail

HOST = "127.0.0.1"
START_SECONDS = 60
WATCH_SECONDS = 0.2
ANSWER_SECONDS = 2
SERVER_LOGS = ("supervisor.log", "postgres.log", "valkey.log")


class Command(BaseCommand):
    help = "Run everything: migrations, demo data, web server, workers, beat. Ctrl-C stops it all."
    # The database may not have been migrated yet.
    requires_system_checks = ()

    def handle(self, **options) -> None:
        if not settings.LOCAL_MODE:
            raise CommandError("LOCAL_MODE is off (see .env): `up` is for a system on your own machine.")
        interrupts.hold()
        # The events of the demo's orders are not for the terminal.
        logging.getLogger("flashsale.events").setLevel(logging.WARNING)
        try:
            with contextlib.ExitStack() as closing:
                port = self._claim_port(closing)
                self._prepare()
                self._run(closing, port)
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        except LocalSystemError as error:
            self.stderr.write(str(error))
            sys.exit(error.exit_code)

    def _claim_port(self, closing: contextlib.ExitStack) -> int:
        """Lock the state folder for this system and return its port. Raises `CommandError` when either is in use."""
        try:
            closing.enter_context(servers.locked(settings.STATE_DIR / "up.lock", seconds=0))
        except servers.EmbeddedError as error:
            raise CommandError(env_file.already_running(settings.STATE_DIR)) from error
        try:
            port = env_file.resolve_port(settings.STATE_DIR)
        except env_file.CannotStart as error:
            raise CommandError(str(error)) from error
        try:
            if not settings.REUSE_PORT:
                closing.enter_context(ports.claim(HOST, port))
        except ports.PortTaken as error:
            raise CommandError(f"{error}. Choose another: {env_file.make_run(port=port + 1)}") from error
        env_file.keep_port(settings.STATE_DIR, port)
        return port

    def _prepare(self) -> None:
        # Checked only between these steps: an interrupted one could leave an invalid index, or a password never shown.
        interrupts.check()
        self._say("Preparing the database")
        call_command("migrate", interactive=False, verbosity=0)
        interrupts.check()
        call_command("seed_demo", stdout=self.stdout)

    def _run(self, closing: contextlib.ExitStack, port: int) -> None:
        system = LocalSystem(settings.STATE_DIR / "logs", cwd=settings.BASE_DIR)
        _reset_metrics()
        closing.callback(system.stop)
        closing.callback(lambda: self._say("Stopping"))
        for program in _programs(port):
            interrupts.check()
            system.start(program)
        self._say("Starting web server, workers and beat")
        url = f"http://{HOST}:{port}"

        def is_open() -> bool:
            interrupts.check()
            _check_servers()
            return _answers(port)

        if not system.wait_until(is_open, seconds=START_SECONDS):
            raise LocalSystemError(
                f"The web server did not answer within {START_SECONDS} s; see {settings.STATE_DIR}/logs."
            )
        self._say(
            f"\nThe sale is open:\n  shop      {url}/\n  products  {url}/api/v1/products\n"
            f"  API       {url}/api/v1/docs\n"
            f"  admin     {url}/admin/\n  metrics   {url}/metrics\n{_payments_line()}"
            f"  logs      {settings.STATE_DIR}/logs\n\n"
            f"{_other_terminal()}: {env_file.command('simulate_sale')}\nCtrl-C stops everything.\n"
        )
        while True:
            interrupts.check()
            _check_servers()
            system.check()
            system.write_logs(WATCH_SECONDS)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _payments_line() -> str:
    """Name the local payment provider, if it is used."""
    provider = env_file.provider_port(settings.STATE_DIR)
    return f"  payments  {settings.STRIPE_API_BASE} (no money moves)\n" if provider else ""


def _reset_metrics() -> None:
    """Make all programs share an empty folder for their metrics (see `flashsale.core.metrics`)."""
    folder = settings.STATE_DIR / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _other_terminal() -> str:
    """Say where a command for this system works: with the addresses that only this process's environment has."""
    own = [name for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL") if os.environ.get(name)]
    return f"In another terminal, with the same {' and '.join(own)}" if own else "In another terminal"


def _check_servers() -> None:
    """Raise `LocalSystemError` with the servers' last lines when an embedded one has ended."""
    is_embedded = settings.EMBEDDED_POSTGRES or settings.EMBEDDED_VALKEY
    if is_embedded and not servers.is_running(settings.STATE_DIR):
        logs = [settings.STATE_DIR / name for name in SERVER_LOGS]
        raise LocalSystemError("An embedded server ended.\n" + "\n".join(f"{log}:\n{tail(log)}" for log in logs))


def _answers(port: int) -> bool:
    """Say whether the web server answers, without a proxy that the environment may name."""
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)) as connection:
        try:
            connection.request("GET", "/livez")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
    return True


def _programs(port: int) -> list[Program]:
    """Return the programs in the order of starting."""
    celery = [sys.executable, "-m", "celery", "-A", "flashsale"]
    return [
        *_provider_programs(port),
        Program("web", server.argv(host=HOST, port=port)),
        # On SIGTERM a worker finishes its tasks, and may wait forever for a broker that was killed with it.
        *(
            Program(name, [*celery, *argv, "-l", "info"], death_signal=signal.SIGKILL)
            for name, argv in {
                "worker": ["worker", "-Q", "celery", "-c", "2", "-n", "default@%h"],
                "worker-expiry": ["worker", "-Q", "expiry", "-c", "1", "-n", "expiry@%h"],
                "worker-payments": ["worker", "-Q", "payments", "-c", "2", "-n", "payments@%h"],
                "worker-webhooks": ["worker", "-Q", "webhooks", "-c", "2", "-n", "webhooks@%h"],
                "beat": ["beat"],
            }.items()
        ),
    ]


def _provider_programs(port: int) -> list[Program]:
    """Return the local payment provider, which is started unless another provider is configured."""
    provider_port = env_file.provider_port(settings.STATE_DIR)
    if provider_port is None:
        return []
    argv = [sys.executable, "-m", "flashsale.local_provider", str(provider_port), f"http://{HOST}:{port}"]
    return [Program("payment-provider", argv, serves_others=True)]
