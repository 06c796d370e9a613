"""Clients that send half a request or leave before the answer: others are answered, and nothing is left behind."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from django.conf import settings

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Hold
from flashsale.rsgi import PAGE_THREADS
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.processes import children_of, processes_naming, wait_until
from flashsale.tests.support.web import Line, database_url, head_of, web_server

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
JSON = "Content-Type: application/json"
SLOW_CLIENTS = 300
# Longer than an API request's body may be.
LONG = 300_000
# Rows of an export that is longer than what the system buffers for a connection.
ROWS = 20_000


@pytest.fixture
def port(tmp_path):
    """A server whose requests may wait long for a row lock, and whose log has no error at the end."""
    log = tmp_path / "log"
    patient = {"DATABASE_LOCK_TIMEOUT_MS": "100000", "DATABASE_STATEMENT_TIMEOUT_MS": "100000"}
    with web_server(log, **patient) as port:
        yield port
    text = log.read_text()
    assert "Traceback" not in text
    assert "Exception in callback" not in text
    assert "never awaited" not in text


@pytest.fixture
def session() -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url(), autocommit=True) as session:
        yield session


def threads_of(port: int) -> int:
    """Return how many threads the server's only worker process has."""
    [worker] = [child for pid in processes_naming(f"--port\0{port}") for child in children_of(pid)]
    return len(os.listdir(f"/proc/{worker}/task"))


def get(port: int, path: str) -> int:
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code


def hold_request(product: Product) -> bytes:
    body = json.dumps({"product_id": product.pk, "quantity": 1}).encode()
    return head_of("POST /api/v1/holds", JSON, f"Content-Length: {len(body)}") + body


@pytest.mark.parametrize("announced", [["Content-Length: 100"], ["Content-Length: 100", "Expect: 100-continue"], LONG])
def test_a_body_that_ends_before_its_announced_end_is_refused(port, announced):
    headers = [f"Content-Length: {LONG}"] if announced == LONG else announced
    product = ProductFactory()
    with Line(port) as line:
        line.send(head_of("POST /api/v1/holds", JSON, *headers))
        if len(headers) > 1:
            assert line.answer()[0] == 100
        line.send(json.dumps({"product_id": product.pk, "quantity": 1}).encode())
        line.end()

        status, received, body = line.answer()

    assert (status, received["content-type"]) == (400, "application/problem+json")
    assert json.loads(body)["code"] == "invalid"
    assert not Hold.objects.exists()


@pytest.mark.parametrize("length", [100, LONG])
def test_an_incomplete_form_is_refused(port, length):
    with Line(port) as line:
        line.send(
            head_of(
                "POST /admin/login/", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {length}"
            )
        )
        line.send(b"username=x")
        line.end()

        # Its token may have been missed before the body was read.
        assert line.answer()[0] in (400, 403)


def waiting_for_locks(session: psycopg.Connection) -> int:
    return session.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()[0]


def test_the_hold_of_a_client_that_left_is_stored_and_others_are_answered(port, session):
    product = ProductFactory(stock=10)
    with psycopg.connect(database_url()) as locker:
        locker.execute("SELECT 1 FROM catalog_stock FOR UPDATE")
        with Line(port) as leaving:
            leaving.send(hold_request(product))
            wait_until(lambda: waiting_for_locks(session) == 1, what="the hold waits")

        assert get(port, f"/api/v1/products/{product.pk}") == 200
        locker.rollback()
    with Line(port) as staying:
        staying.send(hold_request(product))

        assert staying.answer()[0] == 201
    assert Hold.objects.count() == 2
    assert audit.find_drift() == []


@pytest.mark.parametrize("announced", ["Content-Length: 100", f"Content-Length: {LONG}", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/api/v1/holds", "/api/v1/payments/webhook", "/admin/login/", "/livez"])
def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(port, path, announced):
    for part in (b"", b"2\r\n{ \r\n" if "chunked" in announced else b"{ "):
        with Line(port) as leaving:
            leaving.send(head_of(f"POST {path}", JSON, announced), part)

    assert get(port, "/livez") == 200
    assert Hold.objects.count() == 0


@pytest.mark.parametrize("size", [1_000, LONG])
def test_bodies_that_do_not_arrive_occupy_no_thread(port, size):
    product, before = ProductFactory(), threads_of(port)
    lines = [Line(port) for _ in range(SLOW_CLIENTS)]
    for line in lines:
        line.send(head_of("POST /api/v1/holds", JSON, f"Content-Length: {size}"), b"x" * 500)

    statuses = {get(port, path) for path in (f"/api/v1/products/{product.pk}", "/livez", "/readyz")}

    assert statuses == {200}
    assert threads_of(port) - before < SLOW_CLIENTS / 10
    for line in lines:
        line.__exit__()


def test_control_bodies_that_pages_wait_for_occupy_a_thread_each(port):
    before = threads_of(port)
    lines = _occupying_all_page_threads(port, before)

    assert threads_of(port) - before >= PAGE_THREADS
    for line in lines:
        line.__exit__()


def _occupying_all_page_threads(port: int, before: int) -> list[Line]:
    """Return connections that have sent half of a form each, which is too long to be received in advance."""
    lines = [Line(port) for _ in range(PAGE_THREADS)]
    for line in lines:
        line.send(head_of("POST /admin/login/", JSON, f"Content-Length: {LONG}"), b"x")
    wait_until(lambda: threads_of(port) - before >= PAGE_THREADS, what="each form has a thread")
    return lines


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/api/v1/products"])
def test_probes_and_the_api_are_answered_while_all_threads_of_pages_are_occupied(port, path):
    lines = _occupying_all_page_threads(port, threads_of(port))

    with Line(port) as line:
        line.send(head_of("GET /admin/login/"), head_of("GET /livez"))
        assert not line.has_answer(seconds=0.2)
    assert get(port, path) == 200

    for line in lines:
        line.__exit__()
    assert get(port, "/admin/login/") == 200


def test_an_export_ends_when_its_client_leaves(port, session, new_admin_client):
    product = ProductFactory(description="x" * 200)
    copied = ", ".join(field.column for field in Product._meta.fields if not field.primary_key)
    session.execute(
        f"INSERT INTO catalog_product ({copied}) SELECT {copied} FROM catalog_product, generate_series(1, {ROWS})"
        f" WHERE id = {product.pk}"
    )
    cookie = f"{settings.SESSION_COOKIE_NAME}={new_admin_client().cookies[settings.SESSION_COOKIE_NAME].value}"
    export = head_of(f"GET {admin_url(Product, 'export')}", f"Cookie: {cookie}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: _leave_after_the_first_bytes(port, export), range(4)))

    wait_until(lambda: _reading_products(session) == 0, what="no export goes on")
    with Line(port) as line:
        line.send(export)
        status, _, body = line.answer()
    assert (status, body.count(b"\n")) == (200, 1 + 1 + ROWS)


def _leave_after_the_first_bytes(port: int, request: bytes) -> None:
    with Line(port) as line:
        line.send(request)
        assert line.has_answer(seconds=60)


def _reading_products(session: psycopg.Connection) -> int:
    return session.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND state <> 'idle' AND query ILIKE '%catalog_product%'"
    ).fetchone()[0]
