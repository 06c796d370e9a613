"""Behind a real PgBouncer that drops startup parameters: without timeouts of the role, production refuses to start."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection
from psycopg import sql

from flashsale.tests.chaos.proxy import Proxy
from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, free_port, start, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
TIMEOUTS = {"lock_timeout": "2s", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "5s"}
PROGRAMS = {
    "web": (("-m", "flashsale.server"), "flashsale.server"),
    "worker": (("-m", "celery", "--quiet", "-A", "flashsale", "worker", "-c", "1"), "celery"),
    "beat": (("-m", "celery", "--quiet", "-A", "flashsale", "beat"), "celery"),
    "command": (("manage.py", "audit_stock"), "manage.py"),
}
# The names of the sessions behind the pooler, as the server knows them while they work.
APPLICATION_NAMES = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    print(*cursor.fetchone())
"""


class Pooler:
    """A PgBouncer in transaction mode before the tests' database, and production settings that use it."""

    def __init__(self, folder: Path, *, ignored: str) -> None:
        database = connection.settings_dict
        self._postgresql = Proxy(Path(database["HOST"]) / f".s.PGSQL.{database['PORT']}")
        self.port = free_port()
        self._settings, self._log = folder / "pgbouncer.ini", folder / "pgbouncer.log"
        self._settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self._postgresql.port} user={database['USER']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = transaction\n{ignored}\n"
        )
        self._process = None
        self.url = f"postgresql://{database['USER']}@127.0.0.1:{self.port}/{database['NAME']}"
        self.environment = {
            "PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "STATE_DIR": str(folder / "none"),
            "SECRET_KEY": "0123456789" * 5, "ALLOWED_HOSTS": "127.0.0.1", "DATABASE_URL": self.url,
            "SECURE_SSL_REDIRECT": "0", "REDIS_URL": "redis://127.0.0.1:9/0", "WEB_HOST": "127.0.0.1",
            "WEB_WORKERS": "1", "WEB_REQUESTS": "4", "DATABASE_POOL_MAX": "2",
        }  # fmt: skip

    def start(self) -> "Pooler":
        """Start it; returns when it answers."""
        # It refuses to run as root, and another user cannot look into the test's folder.
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
        with self._settings.open() as readable, self._log.open("wb") as log:
            self._process = start(
                *as_nobody, tool("pgbouncer"), "/dev/stdin",
                environment={"PATH": os.environ["PATH"]}, stdin=readable, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._answers, what=f"PgBouncer answers; see {self._log}")
        return self

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            return "startup parameter" in str(error)
        return True

    def close(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(WAIT_SECONDS)
        self._postgresql.close()


@pytest.fixture
def pooler(tmp_path):
    """Returns a function that prepares a PgBouncer with a line of settings."""
    started = []

    def pooler(ignored: str = "ignore_startup_parameters = options") -> Pooler:
        started.append(Pooler(tmp_path, ignored=ignored))
        return started[-1]

    yield pooler
    for one in started:
        one.close()


@pytest.fixture
def role_has_timeouts():
    """The role of the tests sets its timeouts in their database."""
    database = connection.settings_dict
    names = {"role": sql.Identifier(database["USER"]), "database": sql.Identifier(database["NAME"])}

    def alter(what: str, **more) -> None:
        with psycopg.connect(host=database["HOST"], port=database["PORT"], user=database["USER"],
                             dbname=database["NAME"], autocommit=True) as own:  # fmt: skip
            own.execute(sql.SQL("ALTER ROLE {role} IN DATABASE {database} " + what).format(**names, **more))

    for name, value in TIMEOUTS.items():
        alter(f"SET {name} = {{value}}", value=sql.Literal(value))
    yield
    for name in TIMEOUTS:
        alter(f"RESET {name}")


def ended(pooler: Pooler, program: tuple[str, ...]) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *program],
        cwd=PROJECT, env=pooler.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_timeouts_no_program_starts_and_each_says_what_to_do(pooler, program):
    argv, name = PROGRAMS[program]

    refused = ended(pooler().start(), argv)

    assert refused.returncode == 1
    last_line = refused.stderr.splitlines()[-1]
    assert last_line.startswith(
        f"{name}: The database connection has no {', '.join(sorted(TIMEOUTS))}, because a pooler"
    )
    assert f"ALTER ROLE {connection.settings_dict['USER']} SET lock_timeout = '2000ms';" in last_line
    assert "Traceback" not in refused.stderr


def test_a_pooler_that_refuses_the_connection_is_named_too(pooler):
    refused = ended(pooler("").start(), PROGRAMS["web"][0])

    assert refused.returncode == 1
    assert refused.stderr.startswith("flashsale.server: The pooler before the database refuses a connection")
    assert "set DATABASE_POOLER=1" in refused.stderr


def test_a_pooler_that_is_told_nothing_works_with_database_pooler(pooler, role_has_timeouts):
    through = pooler("").start()
    through.environment["DATABASE_POOLER"] = "1"

    done = ended(through, PROGRAMS["command"][0])
    names = ended(through, ("manage.py", "shell", "-v", "0", "-c", APPLICATION_NAMES))

    assert (done.returncode, done.stderr) == (0, "")
    assert names.stdout.split() == ["flashsale-shell"]


def test_behind_a_pooler_the_role_has_to_set_the_timeouts(pooler):
    through = pooler("").start()
    through.environment["DATABASE_POOLER"] = "1"

    refused = ended(through, PROGRAMS["command"][0])

    assert refused.returncode == 1
    assert "The database connection has no " in refused.stderr


def test_with_the_roles_own_timeouts_the_shop_runs(pooler, role_has_timeouts, tmp_path):
    through = pooler().start()
    port, log = free_port(), (tmp_path / "web.log").open("w")
    environment = through.environment | {"PORT": str(port)}

    command = ended(through, PROGRAMS["command"][0])
    web = start(sys.executable, "-m", "flashsale.server", environment=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _status(port) == 200 or web.poll() is not None, what=f"it is ready; see {log.name}")
        assert web.poll() is None, Path(log.name).read_text()
    finally:
        web.terminate()
        web.wait(WAIT_SECONDS)

    assert (command.returncode, command.stderr) == (0, "")


def test_a_database_that_was_away_at_the_start_is_checked_with_the_first_connection(pooler, tmp_path):
    through = pooler()
    port, log = free_port(), (tmp_path / "web.log").open("w")
    environment = through.environment | {"PORT": str(port)}

    web = start(sys.executable, "-m", "flashsale.server", environment=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _status(port) == 503, what=f"it answers; see {log.name}")
        through.start()
        wait_until(lambda: "The database connection has no " in _list_products(port, log), what="it says why")
        status = _status(port)
    finally:
        web.terminate()
        web.wait(WAIT_SECONDS)

    assert status == 503


def _list_products(port: int, log) -> str:
    httpx.get(f"http://127.0.0.1:{port}/api/v1/products", timeout=5, trust_env=False)
    return Path(log.name).read_text()


def _status(port: int) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False).status_code
    except httpx.TransportError:
        return 0
