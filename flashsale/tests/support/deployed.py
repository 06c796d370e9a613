"""The deployment without Docker: docker-compose.yml's environments and commands, on the tests' own servers."""

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import psycopg
import yaml
from django.conf import settings
from django.db import connection

from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, free_port, start, stop, wait_until
from flashsale.tests.support.schedule import fill_schedule

PROBLEM = "application/problem+json"
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict] = COMPOSE["services"]
SECRETS = "/run/secrets/"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def environment_of(service: str, **variables: str) -> dict[str, str]:
    """Return a service's environment when `.env` holds these variables."""
    found = {}
    for name, value in SERVICES[service].get("environment", {}).items():
        if value is not None:
            found[name] = _VARIABLE.sub(lambda match: variables.get(match[1]) or _default(match), value)
        elif name in variables:
            found[name] = variables[name]
    return found


def _default(match: re.Match) -> str:
    if match[2] == "?":
        raise KeyError(f"{match[1]}: {match[3]}")
    return match[3] or ""


def make_secrets(folder: Path) -> None:
    """Make the secrets with the script for deployments."""
    subprocess.run(["sh", "deploy/make-secrets.sh", str(folder)], cwd=PROJECT, check=True, capture_output=True)


@dataclass(frozen=True)
class Deployment:
    """A folder in place of the containers' own, and the servers that the services are told to use."""

    folder: Path
    variables: dict[str, str]
    servers: dict[str, str]

    def environment_of(self, service: str) -> dict[str, str]:
        """Return the service's environment, with secrets and /tmp in this folder."""
        found = environment_of(service, **self.variables)
        here = {SECRETS: f"{self.folder}/secrets/", "/tmp/": f"{self.folder}/{service}-"}
        found = {
            name: re.sub(f"^({'|'.join(here)})", lambda match: here[match[0]], value) for name, value in found.items()
        }
        image = {"PATH": os.environ["PATH"], "PROMETHEUS_MULTIPROC_DIR": f"{self.folder}/{service}-metrics"}
        return found | self.servers | image | {"ENV_FILE": os.devnull, "STATE_DIR": f"{self.folder}/none"}

    def start(self, service: str, *argv: str, **environment: str) -> subprocess.Popen:
        """Start a service with its own command, or another one."""
        argv = argv or ("-m", *SERVICES[service]["command"])
        with (self.folder / f"{service}.log").open("w") as log:
            environment = self.environment_of(service) | environment
            return start(sys.executable, *argv, environment=environment, stdout=log, stderr=subprocess.STDOUT)

    def manage(self, *argv: str) -> subprocess.CompletedProcess:
        """Run a command of `manage.py` as in a web container."""
        return subprocess.run(
            [sys.executable, "manage.py", *argv], cwd=PROJECT, env=self.environment_of("web"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def secret(self, name: str) -> str:
        """Return what the file of a secret holds."""
        return (self.folder / "secrets" / name).read_text().strip()

    def is_healthy(self, service: str) -> bool:
        """Run the health check of a service that has one for a shell."""
        kind, command = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        command = command.replace("/tmp/", f"{self.folder}/{service}-")
        return subprocess.run(["sh", "-c", command], check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def deployment(**variables: str) -> Iterator[Deployment]:
    """Give a deployment with a database of its own, a copy of the tests' database, and its secrets."""
    # Not below pytest's folders, which only their owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="flashsale-deployed-"))
    folder.chmod(0o755)
    make_secrets(folder / "secrets")
    name, template = f"deployed_{secrets.token_hex(4)}", connection.settings_dict["NAME"]
    fill_schedule()
    connection.close()
    with psycopg.connect(_database_url("postgres"), autocommit=True) as server:
        # CREATE DATABASE needs a template without sessions; those of earlier tests may take a moment to end.
        server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [template])
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    servers = {
        "DATABASE_URL": _database_url(name),
        # Numbers that no test uses: the copy's products have the ids of the tests' own.
        "REDIS_URL": re.sub(r"\d+$", "7", settings.REDIS_URL),
        "CELERY_BROKER_URL": re.sub(r"\d+$", "8", settings.CELERY_BROKER_URL),
    }
    try:
        # Stopping without a drain is quicker.
        defaults = {"ALLOWED_HOSTS": "shop.test,127.0.0.1", "WEB_DRAIN_SECONDS": "0"}
        yield Deployment(folder, defaults | variables, servers)
    finally:
        with psycopg.connect(_database_url("postgres"), autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        shutil.rmtree(folder)


def _database_url(name: str) -> str:
    server = connection.settings_dict
    query = urlencode({"host": server["HOST"], "port": server["PORT"]}, quote_via=quote)
    return f"postgresql://{server['USER']}:{server['PASSWORD']}@/{name}?{query}"


@contextlib.contextmanager
def stopping(*programs: subprocess.Popen) -> Iterator[None]:
    """Stop these programs at the end."""
    try:
        yield
    finally:
        stop(*programs)


@dataclass(frozen=True)
class Proxy:
    """A running nginx: its address, and its access log."""

    url: str
    port: int
    log: Path

    def client(self, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """Return a client that calls from this address: each has limits of its own."""
        transport = httpx.HTTPTransport(local_address=address)
        return httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=WAIT_SECONDS)

    def ask_raw(self, path: str, **headers: str) -> http.client.HTTPResponse:
        """Ask for a path as it is written, with these headers only."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"Host": "shop.test"} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()

    def logged(self, answer: httpx.Response | http.client.HTTPResponse) -> dict:
        """Return the line of the access log that belongs to the answer; it comes a moment later."""
        request_id = answer.headers["X-Request-ID"]
        wait_until(lambda: request_id in self.log.read_text(), what="the request is logged")
        [line] = [line for line in self.log.read_text().splitlines() if request_id in line]
        return json.loads(line)


def nginx_configuration(site: str) -> str:
    """Return deploy/nginx.conf with the included files of a deployment: compose or vm."""
    folder = PROJECT / "deploy"
    text = (folder / "nginx.conf").read_text()
    return re.sub(r"include site/(\w+\.conf);", lambda match: (folder / "nginx" / site / match[1]).read_text(), text)


@contextlib.contextmanager
def nginx(folder: Path, *, web: int, pay: int, office: int | None = None, changes: dict[str, str]) -> Iterator[Proxy]:
    """Run nginx as Compose does in front of these ports, without root, with these changes to its configuration.

    Without a port of its own, the back office is at that of `web`.
    """
    port = free_port()
    changes = changes | {
        "/dev/stdout": "/tmp/access.log",
        "listen 127.0.0.1:8081;": f"listen 127.0.0.1:{free_port()};",
        "listen 8080 default_server": f"listen 127.0.0.1:{port} default_server",
        "server web:8000 resolve ": f"server 127.0.0.1:{web} ",
        "server pay:8000 resolve ": f"server 127.0.0.1:{pay} ",
        "server office:8000 resolve ": f"server 127.0.0.1:{web if office is None else office} ",
        "/tmp/": f"{folder}/nginx/",
    }
    text = nginx_configuration("compose")
    for there, here in changes.items():
        assert there in text, there
        text = text.replace(there, here)
    own = folder / "nginx"
    own.mkdir()
    (own / "nginx.conf").write_text(text)
    unprivileged = {}
    if os.geteuid() == 0:
        shutil.chown(own, "nobody", "nogroup")
        unprivileged = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    argv = [tool("nginx"), "-e", "stderr", "-c", str(own / "nginx.conf"), "-g", "daemon off;"]
    with (folder / "nginx.log").open("w") as errors:
        process = start(*argv, environment={}, cwd=own, stderr=errors, **unprivileged)
    with stopping(process):
        wait_until(lambda: _answers(port) or process.poll() is not None, what="nginx answers")
        assert process.poll() is None, (folder / "nginx.log").read_text()
        yield Proxy(f"http://127.0.0.1:{port}", port, own / "access.log")


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code > 0
    except httpx.TransportError:
        time.sleep(0.05)
        return False


def refusal_of(answer: httpx.Response) -> tuple[int, str]:
    """Assert that the answer is a complete problem document, and return its status and code."""
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    body = answer.json()
    assert body["status"] == answer.status_code
    assert re.fullmatch(r"[0-9a-f]{32}", body["request_id"])
    assert answer.headers["X-Request-ID"] == body["request_id"]
    return answer.status_code, body["code"]
