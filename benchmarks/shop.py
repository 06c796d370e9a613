"""A shop of its own for a benchmark: embedded servers that write to the disk, production settings, one web server."""

import base64
import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flashsale.local import child_process, servers

PROJECT = Path(__file__).resolve().parents[1]
START_SECONDS = 30


@dataclass(frozen=True)
class Shop:
    """Where the servers are, and the key that webhooks are signed with."""

    state_dir: Path
    port: int
    key: bytes
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def open_shop(port: int) -> Iterator[Shop]:
    """Start PostgreSQL and Valkey, migrate, and set Django up in this process; everything goes at the end.

    Rate limits are off: all the load comes from one address.
    """
    state_dir, key = Path(tempfile.mkdtemp(prefix="flashsale-bench-")), secrets.token_bytes(32)
    urls = servers.urls(state_dir)
    environment = {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings", "SECRET_KEY": secrets.token_urlsafe(48), "LOCAL_MODE": "0",
        "STATE_DIR": str(state_dir), "ENV_FILE": os.devnull, "PROMETHEUS_MULTIPROC_DIR": str(state_dir / "metrics"),
        "ALLOWED_HOSTS": "localhost,127.0.0.1", "SECURE_SSL_REDIRECT": "0",
        "DATABASE_URL": urls.database, "REDIS_URL": urls.redis, "CELERY_BROKER_URL": urls.broker,
        "HOLDS_PER_MINUTE": "0", "READS_PER_MINUTE": "0", "CHANGES_PER_MINUTE": "0",
        "STANDARD_WEBHOOK_SECRETS": f"whsec_{base64.b64encode(key).decode()}",
    }  # fmt: skip
    lease = servers.use(state_dir)
    try:
        os.environ |= environment
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield Shop(state_dir, port, key, {**os.environ})
    finally:
        lease.close()
        servers.wait_until_stopped(state_dir)
        shutil.rmtree(state_dir)


@contextlib.contextmanager
def serving(shop: Shop, argv: list[str], *, checkout: Path = PROJECT, **environment: str) -> Iterator[int]:
    """Run a web server of the shop, give its process id, and stop it with all its processes at the end."""
    log = (shop.state_dir / "web.log").open("ab")
    server = subprocess.Popen(
        argv, cwd=checkout, env=shop.environment | environment, stdout=log, stderr=log, start_new_session=True,
        preexec_fn=child_process.child_setup(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )  # fmt: skip
    try:
        _wait_until_it_answers(shop.port)
        yield server.pid
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/livez")
            connection.getresponse()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"The server on port {port} did not answer within {START_SECONDS} s.")


def free_port() -> int:
    """Return a TCP port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
