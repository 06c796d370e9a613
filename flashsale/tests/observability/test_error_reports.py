"""Reports to Sentry: each unexpected exception once, nothing that clients sent, and nothing waits for Sentry."""

import gzip
import json
import os
import sys

import httpx
import pytest

from flashsale import server
from flashsale.celery import app as celery
from flashsale.observability.error_reports.contents import message_without_values
from flashsale.tests.support.failing_task import SECRET
from flashsale.tests.support.processes import WAIT_SECONDS, free_port, start, stop, wait_until
from flashsale.tests.support.receiving import Receiver, receiving
from flashsale.tests.support.web import database_url

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
SENT = {
    "Authorization": f"Basic {SECRET}", "Cookie": f"sessionid={SECRET}", "Idempotency-Key": SECRET * 2,
    "traceparent": TRACE,
}  # fmt: skip
FORM_OF_EVENT = {
    "contexts", "environment", "event_id", "exception", "level", "logger", "platform", "release", "sdk", "server_name",
    "tags", "timestamp", "transaction",
}  # fmt: skip


@pytest.fixture
def sentry():
    """A server that takes reports."""
    with receiving() as receiver:
        yield receiver


def variables(sentry: Receiver, **more: str) -> dict[str, str]:
    """Return the environment of a program that reports there."""
    address = sentry.url.removeprefix("http://")
    own = {"SENTRY_DSN": f"http://key@{address}/7", "SENTRY_ENVIRONMENT": "staging", "SENTRY_RELEASE": "1.2.3"}
    return os.environ | own | {"DATABASE_URL": database_url(), "DEMO_SHOP": "1", "WEB_DRAIN_SECONDS": "0"} | more


def reports(sentry: Receiver) -> list[dict]:
    """Return the events that arrived."""
    bodies = [gzip.decompress(request.body) for request in sentry.received]
    return [json.loads(body.splitlines()[2]) for body in bodies]


def request_ids(sentry: Receiver) -> list[str]:
    return [report["tags"]["request_id"] for report in reports(sentry)]


@pytest.fixture
def web(sentry, tmp_path):
    """A web server with faults (`failing_app`); gives a client."""
    port = free_port()
    argv = server.argv(host="127.0.0.1", port=port, workers=1)
    argv[argv.index("flashsale.rsgi:application")] = "flashsale.tests.support.failing_app:application"
    with (tmp_path / "log").open("w") as log:
        process = start(*argv, environment=variables(sentry), stdout=log, stderr=log)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, what="the server answers")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client
    sentry.is_answering.set()
    stop(process)


@pytest.mark.http
@pytest.mark.django_db(transaction=True)
def test_an_unexpected_exception_of_a_request_is_reported_once_and_no_refusal(web, sentry):
    # All requests are answered while Sentry answers nothing.
    sentry.is_answering.clear()
    api = web.get("/api/v1/products", params={"key": SECRET}, headers=SENT)
    page = web.get("/", params={"key": SECRET}, headers=SENT)
    refused = [
        web.get("/api/v1/orders/00000000-0000-4000-8000-000000000000"),
        web.post("/api/v1/holds", json={"customer_id": SECRET}),
        web.post("/api/v1/holds", content=b"{", headers={"Content-Type": "application/json"}),
        web.get("/admin/nothing"),
        web.get("/", headers={"Host": "evil.test"}),
    ]
    assert (api.status_code, page.status_code) == (500, 500)
    assert all(400 <= answer.status_code < 500 or answer.is_redirect for answer in refused), refused

    sentry.is_answering.set()
    # The last one: reports are sent in their order.
    last = web.get("/api/v1/products", headers=SENT)
    wait_until(lambda: last.headers["X-Request-ID"] in request_ids(sentry), what="the last report")

    assert request_ids(sentry) == [answer.headers["X-Request-ID"] for answer in (api, page, last)]
    assert b"customer-of-mine" not in b"".join(gzip.decompress(request.body) for request in sentry.received)
    first, second, _ = reports(sentry)
    assert set(first) <= FORM_OF_EVENT
    assert (first["environment"], first["release"], first["transaction"]) == (
        "staging",
        "1.2.3",
        "GET /api/v1/products/?$",
    )
    assert [one["type"] for one in first["exception"]["values"]] == ["KeyError", "ValueError"]
    assert first["exception"]["values"][-1]["value"] == "(value) of (value) at /x(value)"
    assert first["contexts"]["trace"]["trace_id"] == "a" * 32
    assert second["transaction"] == "GET /"
    assert '"vars":' not in json.dumps(first)


@pytest.mark.http
@pytest.mark.django_db(transaction=True)
def test_a_task_that_fails_is_reported_once(sentry, tmp_path):
    queue = f"reports-{free_port()}"
    argv = ["-m", "celery", "-A", "flashsale", "worker", "-c", "1", "-n", f"{queue}@%h", "-Q", queue]
    argv += ["-I", "flashsale.tests.support.failing_task"]
    with (tmp_path / "log").open("w") as log:
        worker = start(sys.executable, *argv, environment=variables(sentry), stdout=log, stderr=log)
    try:
        tasks = [celery.send_task("tests.fail", queue=queue, kwargs={"customer_id": SECRET}) for _ in range(2)]
        wait_until(lambda: len(sentry.received) >= len(tasks), what="the reports")
    finally:
        stop(worker)

    assert request_ids(sentry) == [task.id.replace("-", "") for task in tasks]
    assert [report["transaction"] for report in reports(sentry)] == ["tests.fail"] * 2
    assert b"customer-of-mine" not in b"".join(gzip.decompress(request.body) for request in sentry.received)


# A program that logs and raises as others do; its last exception ends it.
PROGRAM = """
import logging, sys
import django
django.setup()
from django.db import OperationalError
from psycopg.errors import LockNotAvailable
from django.db import OperationalError

def log(name, error, level=logging.CRITICAL, times=1):
    try:
        raise error
    except Exception:
        for _ in range(times):
            logging.getLogger(name).log(level, "beat raised an exception", exc_info=True)

log("celery.beat", RuntimeError("first"), times=3)
log("django.security.SuspiciousOperation", RuntimeError("a refusal"))
log("a.program", RuntimeError("a warning"), level=logging.WARNING)
busy = OperationalError("busy")
busy.__cause__ = LockNotAvailable("busy")
log("a.program", busy)
log("a.program", OperationalError("connection failed: port 9 failed: Connection refused"))
for number in range(100):
    log("a.program", RuntimeError("many"))
raise RuntimeError("last")
"""


def test_a_fault_that_is_logged_or_ends_a_program_is_reported_and_an_expected_one_is_not(sentry):
    program = start(
        sys.executable, "-c", PROGRAM, environment=variables(sentry, DJANGO_SETTINGS_MODULE="flashsale.settings")
    )

    assert program.wait(WAIT_SECONDS) == 1
    values = [report["exception"]["values"][-1]["value"] for report in reports(sentry)]
    assert values[0] == "first"
    assert set(values) == {"first", "many", "last"}
    assert values.count("first") == values.count("last") == 1
    assert values.count("many") < 30


def test_without_a_dsn_the_library_is_not_imported():
    shown = "import django, sys; django.setup(); sys.exit('sentry_sdk' in sys.modules)"
    environment = os.environ | {"SENTRY_DSN": "", "DJANGO_SETTINGS_MODULE": "flashsale.settings"}

    assert start(sys.executable, "-c", shown, environment=environment).wait(WAIT_SECONDS) == 0


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ('duplicate key value violates unique constraint "one_hold_for_each_key"\nDETAIL:  Key (customer)=(ann)',
         'duplicate key value violates unique constraint "one_hold_for_each_key"'),
        ('invalid input syntax for type uuid: "ann"', "invalid input syntax for type uuid: (value)"),
        ("invalid literal for int() with base 10: 'ann's", "invalid literal for int() with base 10: (value)"),
        ("No such customer: cus_9s6XKzkNRiz8i3", "No such customer: (value)"),
        ("a key sk_live_4eC39HqLyjWDarjtT1 of ann@example.com", "a key (value) of (value)"),
        ("order 8a757a3a-04b2-4b1f-9a41-2e5d8f3a1c77 of 4929123412341234", "order (id) of (value)"),
        ("max_per_customer is not an attribute", "max_per_customer is not an attribute"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_message_is_sent_without_the_values_in_it(message, sent):
    assert message_without_values(message) == sent
