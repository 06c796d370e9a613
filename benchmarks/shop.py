"""A shop for a benchmark: its own embedded servers, which sync to the disk, production settings, one web server.

Two shops, each of another revision of the project, can run beside each other: each has its own PostgreSQL and Valkey,
started with the same programs and settings, and migrates its own database.
"""

import base64
import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.checkouts import THIS, Checkout
from flashsale.local import child_process, servers

START_SECONDS = 60


@dataclass(frozen=True)
class ShopUnderTest:
    """A checkout with its servers, and the key that webhooks are signed with."""

    checkout: Checkout
    state_dir: Path
    port: int
    key: bytes
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> str:
        """Run a command of the checkout's own `manage.py` and return what it prints; ends the program if it fails."""
        argv = [sys.executable, "manage.py", *arguments]
        completed = subprocess.run(
            # Celery imports from the current folder, too.
            argv, cwd=self.checkout.path, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if completed.returncode:
            sys.exit(f"{self.checkout.name}: manage.py {arguments[0]} failed:\n{completed.stdout}{completed.stderr}")
        return completed.stdout

    def add_product(self, *, stock: int) -> int:
        """Add a product by the checkout's own command and return its id."""
        product = ["--name", "Widget", "--price", "10", "--currency", "USD", "--stock", str(stock)]
        return int(self.manage("add_product", *product))

    def set_up_django(self) -> None:
        """Let this process use the shop's database through the models of this checkout."""
        os.environ |= self.environment
        import django

        django.setup()


@contextlib.contextmanager
def open_shop(checkout: Checkout = THIS, *, settings: str = "flashsale.settings") -> Iterator[ShopUnderTest]:
    """Start PostgreSQL and Valkey and migrate; everything is removed at the end.

    Rate limits are off: all the load comes from one address.
    """
    state_dir, key = Path(tempfile.mkdtemp(prefix="flashsale-bench-")), secrets.token_bytes(32)
    urls = servers.urls(state_dir)
    environment = {**os.environ} | {
        "DJANGO_SETTINGS_MODULE": settings, "SECRET_KEY": secrets.token_urlsafe(48), "LOCAL_MODE": "0",
        "STATE_DIR": str(state_dir), "ENV_FILE": os.devnull, "PROMETHEUS_MULTIPROC_DIR": str(state_dir / "metrics"),
        "ALLOWED_HOSTS": "localhost,127.0.0.1", "SECURE_SSL_REDIRECT": "0",
        "DATABASE_URL": urls.database, "REDIS_URL": urls.redis, "CELERY_BROKER_URL": urls.broker,
        "HOLDS_PER_MINUTE": "0", "READS_PER_MINUTE": "0", "CHANGES_PER_MINUTE": "0", "JOINS_PER_MINUTE": "0",
        "STANDARD_WEBHOOK_SECRETS": f"whsec_{base64.b64encode(key).decode()}",
    }  # fmt: skip
    if checkout.extra_packages:
        environment["PYTHONPATH"] = str(checkout.extra_packages)
    lease = servers.use(state_dir)
    try:
        shop = ShopUnderTest(checkout, state_dir, free_port(), key, environment)
        shop.manage("migrate", "--verbosity", "0")
        yield shop
    finally:
        lease.close()
        servers.wait_until_stopped(state_dir)
        shutil.rmtree(state_dir)


@contextlib.contextmanager
def serving(shop: ShopUnderTest, **environment: str) -> Iterator[int]:
    """Run the web server of the shop as its revision configures it.

    Yields its process id, and stops it with all its processes at the end. `WEB_WORKERS` and `WEB_REQUESTS` of the
    environment change its size.
    """
    address = {"WEB_HOST": "127.0.0.1", "PORT": str(shop.port)}
    log_file = shop.state_dir / "web.log"
    log = log_file.open("ab")
    server = subprocess.Popen(
        [sys.executable, "-m", "flashsale.server"], cwd=shop.checkout.path,
        env=shop.environment | address | environment, stdout=log, stderr=log, start_new_session=True,
        preexec_fn=child_process.child_setup(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )  # fmt: skip
    try:
        wait_until_it_answers(f"{shop.checkout.name}: the server", server, shop.port, log_file)
        yield server.pid
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until_it_answers(name: str, server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait for the first answer on a port; ends the program with the server's last lines when there is none in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/livez")
            connection.getresponse()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"{name} did not answer within {START_SECONDS} s. Its last lines:\n{log.read_text()[-3000:]}")


def free_port() -> int:
    """Return a TCP port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
