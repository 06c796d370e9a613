"""The web server: the numbers of its processes, requests and connections, with the reason for each.

`python -m flashsale.server` becomes the server that `WEB_HOST`, `PORT`, `WEB_WORKERS` and `WEB_REQUESTS` describe.
"""

import os
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from flashsale.core import ports
from flashsale.core.connections import database_timeouts

# Measured on two cores (benchmarks/RESULTS.md): one worker process for each core; another one gains nothing.
WORKERS = 2
# Requests in progress in one worker. Most of them wait, without a thread (`flashsale.core.greenlets`), so that many can
# share a transaction. With 1,000 clients that place holds, some are left for others (`flashsale.core.capacity`).
REQUESTS = 1024
# PostgreSQL connections of one worker. Running threads compete for the interpreter (GIL) in the middle of their
# transactions: with 16 or 32 connections a worker does less, and holds its locks longer, than with 6. Six are for
# holds; the others are reserved for orders, payments and reads (`flashsale.core.capacity`).
CONNECTIONS = 12
# A worker process that uses more in two samples in a row is replaced. Under full load it uses half of this.
MAX_MEMORY_MIB = 352
MEMORY_SAMPLE_SECONDS = 5
STOP_SECONDS = 10
# How long a process that is told to stop answers with `Connection: close` (`flashsale.web.draining`): longer than nginx
# keeps an idle connection.
DRAIN_SECONDS = 3


def argv(
    *, host: str, port: int, workers: int = WORKERS, requests: int = REQUESTS, drain_seconds: int = 0
) -> list[str]:
    """Return the command line of the server: `workers` processes, each with at most `requests` in progress.

    A process is killed `STOP_SECONDS` after the `drain_seconds` for which it drains when it is told to stop.
    """
    return [
        sys.executable, "-m", "flashsale.web.granian", "flashsale.rsgi:application", "--interface", "rsgi",
        "--http", "1", "--loop", "uvloop", "--no-ws", "--host", host, "--port", str(port),
        "--workers", str(workers),
        # Idle connections count: with fewer, they would block an idle worker.
        "--backpressure", str(max(requests, 1024 // workers)),
        "--respawn-failed-workers",
        "--workers-max-rss", str(MAX_MEMORY_MIB), "--rss-samples", "2",
        "--rss-sample-interval", str(MEMORY_SAMPLE_SECONDS),
        # A worker process that still imports the application ignores the signal to stop.
        "--workers-kill-timeout", str(STOP_SECONDS + drain_seconds),
    ]  # fmt: skip


def main() -> None:
    """Replace this process with the server that the settings describe; its processes share metrics files."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flashsale.settings")
    try:
        command = _command()
        database_timeouts.check()
    except ImproperlyConfigured as error:
        sys.exit(f"flashsale.server: {error}")
    if not settings.REUSE_PORT:
        _claim_port()
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="flashsale-metrics-")
    os.execv(command[0], command)  # noqa: S606 - the command is our own


def _claim_port() -> None:
    """Keep other servers from this port for the life of the process, or exit when one has it.

    Granian sets SO_REUSEPORT: otherwise both servers would run, each with some of the connections.
    """
    try:
        claimed = ports.claim(settings.WEB_HOST, settings.PORT)
    except ports.PortTaken as error:
        sys.exit(
            f"flashsale.server: {error}: choose another PORT, or set REUSE_PORT=1 to run beside the server that has it."
        )
    # Kept by the program that replaces this one.
    os.set_inheritable(claimed.detach(), True)


def _command() -> list[str]:
    command = argv(
        host=settings.WEB_HOST,
        port=settings.PORT,
        workers=settings.WEB_WORKERS,
        requests=settings.WEB_REQUESTS,
        drain_seconds=settings.WEB_DRAIN_SECONDS,
    )
    if settings.LOG_FORMAT == "json":
        command += ["--log-config", str(Path(__file__).with_name("server_log.json"))]
    return command


if __name__ == "__main__":
    main()
