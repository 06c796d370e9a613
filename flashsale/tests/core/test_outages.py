"""A server that cannot be used is one sentence: in commands, tasks, pages and the log."""

import logging
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from unittest.mock import patch

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, ProgrammingError, connection, transaction
from kombu.exceptions import OperationalError as BrokerError

from checkout import tasks
from flashsale.core import outages
from flashsale.core.connections import database_timeouts
from flashsale.observability.outage_lines import OutageFilter
from flashsale.tests.support.log_lines import logged
from flashsale.tests.support.processes import PROJECT, free_port

HOST = "127.0.0.1"
# Each command of this project that uses the database, with arguments with which it gets that far.
COMMANDS = {
    "add_product": ["--name", "Widget", "--price", "1", "--currency", "USD", "--stock", "1"],
    "audit_stock": [],
    "make_token": ["--name", "a back end"],
    "payments_due": [],
    "reconcile_payments": [],
    "refresh_availability": [],
    "refunds_due": [],
    "remove_two_factor": ["--name", "ann"],
    "seed_demo": [],
    "unlock_logins": [],
}
# `up` brings its own servers, the others talk to a server or write files.
WITHOUT_DATABASE = {"describe_api", "send_webhook", "simulate_sale", "up"}
REFUSALS = {
    'password authentication failed for user "u"': 'refuses the user: password authentication failed for user "u"; ch',
    'database "shop" does not exist': 'has no such database: database "shop" does not exist; create it',
    "the database system is starting up": "does not take connections yet: the database system is starting up; wait",
    "sorry, too many clients already": "has no connection left: sorry, too many clients already; see ConnectionsNear",
    "out of luck": "refuses connections: out of luck; start it",
}


@contextmanager
def refusing(message: str):
    """Run a server that refuses each connection with a FATAL message, as PostgreSQL does; gives its port."""
    fields = "".join(f"{field}\0" for field in ("SFATAL", "VFATAL", "C28000", f"M{message}")).encode() + b"\0"
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(1_000)
                    client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def database_at(port: int):
    """Let Django look for the database at a port of this machine."""
    away = {"HOST": HOST, "PORT": str(port), "USER": "u", "NAME": "shop"}
    options = connection.settings_dict["OPTIONS"] | {"sslmode": "disable", "gssencmode": "disable"}
    with patch.dict(connection.settings_dict, away | {"OPTIONS": options}):
        connection.close()
        yield
        connection.close()


@pytest.fixture
def away(django_db_blocker):
    """A database on whose port nothing listens; gives the port."""
    port = free_port()
    with django_db_blocker.unblock(), database_at(port):
        yield port


@pytest.fixture
def lines():
    """Everything that is logged during the test, as the programs do."""
    with logged() as handler:
        handler.addFilter(OutageFilter())
        yield handler


def test_every_command_of_the_project_is_tried():
    commands = {path.stem for path in PROJECT.glob("*/management/commands/*.py")} - {"__init__"}

    assert set(COMMANDS) | WITHOUT_DATABASE == commands


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_in_a_sentence_that_the_database_does_not_answer(away, command, settings):
    settings.LOCAL_MODE = settings.SHOP_MAKES_PAYMENTS = True
    settings.STRIPE_API_KEY, settings.STRIPE_PUBLISHABLE_KEY, settings.SHOP_ID = "sk_test_1", "pk_test_1", "shop-1"
    with pytest.raises((DatabaseError, CommandError)) as raised:
        call_command(command, *COMMANDS[command])

    said = outages.sentence_of(raised.value) or str(raised.value)
    wanted = f"The database at {HOST}:{away} does not answer: Connection refused; start it, or check DATABASE_URL."
    assert said == wanted


def test_manage_py_exits_with_that_sentence_and_nothing_else(tmp_path):
    port = free_port()
    environment = {
        "SECRET_KEY": "0123456789" * 5, "DATABASE_URL": f"postgresql://u:pass@{HOST}:{port}/shop",
        "ENV_FILE": str(tmp_path / "env"), "STATE_DIR": str(tmp_path / "state"),
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (run.returncode, run.stdout) == (1, "")
    said = f"The database at {HOST}:{port} does not answer: Connection refused; start it, or check DATABASE_URL."
    assert run.stderr == f"manage.py: {said}\n"


def test_web_server_and_worker_say_it_at_their_start_and_go_on(away, lines, settings):
    settings.LOCAL_MODE = False

    database_timeouts.check()

    [line] = lines.texts
    assert f"The database at {HOST}:{away} does not answer: Connection refused; start it" in line


@pytest.mark.parametrize("message", REFUSALS)
def test_a_refusal_of_postgresql_says_what_to_do(django_db_blocker, message):
    with django_db_blocker.unblock(), refusing(message) as port, database_at(port):
        with pytest.raises(OperationalError) as raised:
            connection.ensure_connection()

        assert outages.sentence_of(raised.value).startswith(f"The database at {HOST}:{port} {REFUSALS[message]}")


def test_a_missing_table_counts_only_while_migrations_are_missing(db):
    with pytest.raises(ProgrammingError) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    error = raised.value

    assert outages.sentence_of(error) is None
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'checkout'")
    assert outages.sentence_of(error).endswith('relation "no_such_table" does not exist; run `manage.py migrate`.')


def test_redis_and_the_broker_are_named_without_their_passwords(settings):
    settings.REDIS_URL = "redis://:secret@valkey:6379/0"
    settings.CELERY_BROKER_URL = "sentinel://:secret@a:26379;sentinel://:secret@b:26379"

    assert outages.sentence_of(redis.ConnectionError("Error 111.")) == (
        "Valkey/Redis at valkey:6379 does not answer: Error 111; start it, or check REDIS_URL."
    )
    assert outages.sentence_of(BrokerError("no route")) == (
        "The broker at a:26379, b:26379 does not answer: no route; start it, or check CELERY_BROKER_URL."
    )


@pytest.mark.parametrize("error", [ValueError("x"), OSError(5, "x"), DatabaseError("x")], ids=repr)
def test_another_error_keeps_its_traceback(error, lines):
    try:
        raise error
    except Exception:
        logging.getLogger("a program").exception("It failed")

    assert '"frames"' in lines.texts[0]
    assert outages.sentence_of(error) is None


def test_what_the_beat_says_of_a_broker_that_is_away_is_one_line(lines):
    try:
        raise BrokerError("Error 111 connecting to valkey:6379")
    except BrokerError as error:
        # As celery.beat logs it, with the stack in the message.
        logging.getLogger("celery.beat").error("Message Error: %s\n%s", error, ["a", "stack"], exc_info=True)

    [line] = lines.texts
    assert '"event": "Message Error"' in line
    assert "does not answer: Error 111 connecting to valkey:6379; start it, or check CELERY_BROKER_URL." in line
    assert "frames" not in line
    assert "stack" not in line


def test_a_task_that_cannot_reach_the_database_is_one_line(away, lines):
    tasks.expire_holds.apply()

    [line] = [line for line in lines.texts if "celery.app.trace" in line]
    assert f"The database at {HOST}:{away} does not answer: Connection refused" in line
    assert "frames" not in line
    assert "\\n" not in line


def test_a_page_is_503_and_one_line(client, away, lines, settings):
    client.raise_request_exception = False
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32

    answer = client.get("/admin/")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    [line] = lines.texts
    assert '"request_busy"' in line
    assert f"The database at {HOST}:{away} does not answer: Connection refused; start it" in line
