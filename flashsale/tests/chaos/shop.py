"""The real shop for storms: web server, workers and beat, with a proxy before PostgreSQL and one before Valkey."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from django.conf import settings
from django.db import connection

from flashsale.local import servers
from flashsale.tests.chaos.proxy import Proxy
from flashsale.tests.support.processes import WAIT_SECONDS, children_of, free_port, held_signals, start, wait_until
from flashsale.tests.support.schedule import fill_schedule

CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "flashsale")


class ProxiedShop:
    """The shop's processes, and the proxies through which they reach PostgreSQL and Valkey."""

    def __init__(
        self, folder: Path, *, workers: int, requests: int, connections: int, environment: dict[str, str]
    ) -> None:
        database = connection.settings_dict
        self.database = Proxy(Path(database["HOST"]) / f".s.PGSQL.{database['PORT']}")
        self.valkey = Proxy(valkey_socket())
        self.port = int(environment.get("PORT") or free_port())
        self._log = (folder / "shop.log").open("ab")
        self._web = [sys.executable, "-m", "flashsale.server"]
        self._environment = os.environ | {
            "DATABASE_URL": f"postgresql://{database['USER']}@127.0.0.1:{self.database.port}/{database['NAME']}",
            "REDIS_URL": f"redis://127.0.0.1:{self.valkey.port}/0",
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{self.valkey.port}/1",
            "DATABASE_POOL_MAX": str(connections), "LOG_FORMAT": "json", "WEB_HOST": "127.0.0.1",
            "PORT": str(self.port), "WEB_WORKERS": str(workers), "WEB_REQUESTS": str(requests),
        } | environment  # fmt: skip
        self._running: dict[str, list[subprocess.Popen]] = {}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        """Start one process more of each name: `web` (returns when it answers), `worker`, `payer`, `beat`.

        `payer` is the worker that makes and closes payments.
        """
        for name in names:
            number = len(self._running.setdefault(name, []))
            argv = {
                "web": self._web,
                "worker": [*CELERY, "worker", "-Q", "celery,expiry", "-c", "2", "-n", f"{number}@{self.port}"],
                "payer": [*CELERY, "worker", "-Q", "payments", "-c", "1", "-n", f"payer{number}@{self.port}"],
                "beat": [*CELERY, "beat"],
            }[name]
            process = start(*argv, environment=self.environment_of(name), stdout=self._log, stderr=self._log)
            self._running[name].append(process)
        if "web" in names:
            wait_until(self.answers, what=f"the shop answers; see {self._log.name}")

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the environment of a process; workers and beats have a connection for each process and no pool."""
        return self._environment | ({} if name == "web" else {"DATABASE_POOL_MAX": "0"})

    def answers(self) -> bool:
        """Say whether the web server answers."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/livez", timeout=2, trust_env=False).status_code == 200
        return False

    def main_process(self, name: str) -> subprocess.Popen:
        """The first process of a name."""
        return self._running[name][0]

    def processes(self, name: str) -> list[subprocess.Popen]:
        """The processes of a name that run."""
        return [process for process in self._running.get(name, []) if process.poll() is None]

    def web_process(self) -> int:
        """One of the web server's worker processes."""
        return children_of(self.main_process("web").pid)[-1]

    def handles_sigterm(self, name: str) -> bool:
        """Say whether the processes of a name have installed their SIGTERM handlers."""
        return all(signal.SIGTERM in held_signals(process.pid) for process in self._running[name])

    def ended(self) -> list[str]:
        """The processes that ended unasked; no fault around them may end a process."""
        running = [(name, process.poll()) for name, processes in self._running.items() for process in processes]
        return [f"{name} ended with {code}: {self.log()[-2000:]}" for name, code in running if code is not None]

    def kill(self, name: str) -> None:
        """Kill the first process of a name and its children with SIGKILL."""
        process = self._running[name].pop(0)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, *names: str) -> list[int]:
        """Ask all processes of these names to stop, and return their exit codes."""
        processes = [process for name in names for process in self._running.pop(name, [])]
        for process in processes:
            process.terminate()
        codes = []
        for process in processes:
            try:
                codes.append(process.wait(WAIT_SECONDS))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return codes

    def log(self) -> str:
        """Everything that its processes wrote."""
        return Path(self._log.name).read_text()

    def close(self) -> None:
        """Stop everything."""
        self.stop(*self._running)
        self.database.close()
        self.valkey.close()
        self._log.close()


@contextlib.contextmanager
def open_shop(
    folder: Path, *names: str, workers: int = 2, requests: int = 256, connections: int = 4, **environment: str
) -> Iterator[ProxiedShop]:
    """Run a shop on the tests' database, with these variables in its environment.

    Unlike in other tests, commits are synchronous: a crash must lose nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {connection.settings_dict['NAME']} SET synchronous_commit = on")
    if "beat" in names:
        fill_schedule()
    shop = ProxiedShop(folder, workers=workers, requests=requests, connections=connections, environment=environment)
    try:
        shop.start(*names)
        yield shop
    finally:
        shop.close()
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {connection.settings_dict['NAME']} RESET synchronous_commit")


def valkey_socket() -> Path:
    """Return the socket of the tests' Valkey."""
    found = urlsplit(settings.REDIS_URL)
    if found.scheme == "unix":
        return Path(unquote(found.path))
    return servers.socket_dir(settings.STATE_DIR) / "valkey.sock"
