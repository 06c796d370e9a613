"""Answers that are sent before the request's body was read, over real keep-alive connections."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flashsale.tests.support.deployed import nginx
from flashsale.tests.support.web import Line, head_of, web_server
from flashsale.web import bodies

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
JSON = "Content-Type: application/json"
A_UUID = "0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11"
ROUNDS = 3
DRAINED = 256 * 1024
BODY = b"x" * DRAINED
NO_LIMITS = {"limit_req zone": "# limit_req zone"}

# What is asked, and the status of its answer: every middleware, view and handler that can answer before the body.
EARLY = {
    "a wrong token": ("POST /api/v1/holds", [JSON, "Authorization: Bearer wrong"], 401),
    "a metrics token": ("POST /metrics", ["Authorization: Bearer wrong"], 405),
    "no such path": ("POST /api/v1/nothing", [JSON], 404),
    "no such hold": (f"GET /api/v1/holds/{A_UUID}", [JSON], 404),
    "no such order": (f"GET /api/v1/orders/{A_UUID}", [JSON], 404),
    "no such provider": ("POST /api/v1/payments/webhooks/nobody", [JSON], 404),
    "no such page": ("POST /nothing", [JSON], 404),
    "another method": ("POST /api/v1/products", [JSON], 405),
    "an unknown method": ("BREW /api/v1/products", [JSON], 405),
    "another method of a page": ("PUT /livez", [JSON], 405),
    "another answer": ("POST /api/v1/holds", [JSON, "Accept: text/csv"], 406),
    "another type": ("POST /api/v1/holds", ["Content-Type: text/plain"], 415),
    "no type": ("POST /api/v1/payments/webhook", [], 415),
    "a bad key": ("POST /api/v1/holds", [JSON, "Idempotency-Key: short"], 400),
    "too many": ("POST /api/v1/orders", [JSON], 429),
    "a page": ("GET /api/v1/products", [JSON], 200),
    "the head of a page": ("HEAD /api/v1/products", [JSON], 200),
    "a preflight": (
        "OPTIONS /api/v1/holds",
        ["Origin: https://shop.example.com", "Access-Control-Request-Method: POST"],
        200,
    ),
    "a probe": ("GET /livez", [], 200),
    "a static file": ("GET /static/flashsale/admin.css", [], 200),
    "a redirect": ("GET /docs", [], 302),
    "an admin page": ("GET /admin/", [], 302),
    "an admin form without its token": ("POST /admin/login/", ["Content-Type: application/octet-stream"], 403),
}
ENVIRONMENT = {"CHANGES_PER_MINUTE": "1", "CORS_ALLOWED_ORIGINS": "https://shop.example.com"}


@pytest.fixture(scope="module")
def port(django_db_setup, tmp_path_factory):
    log = tmp_path_factory.mktemp("web") / "log"
    with web_server(log, **ENVIRONMENT) as port:
        yield port
    assert "Traceback" not in log.read_text()


def rounds_lost(port: int, asked: str, headers: list[str], *, size: int = 200) -> tuple[int, set[int]]:
    """Send a request whose body ends late, then another one after its answer; several rounds.

    Returns how often the second request had no connection any more, and the statuses of the first one's answers.
    """
    lost, statuses = 0, set()
    for _ in range(ROUNDS):
        with Line(port) as line:
            try:
                line.send(head_of(asked, *headers, f"Content-Length: {size}"), b"x" * (size - 1))
                line.has_answer(seconds=0.1)
                line.send(b"x")
                statuses.add(line.answer(has_body=not asked.startswith("HEAD"))[0])
                line.send(head_of("GET /livez"))
                assert line.answer()[0] == 200
            except ConnectionError:
                lost += 1
    return lost, statuses


@pytest.mark.parametrize(("asked", "headers", "status"), EARLY.values(), ids=EARLY.keys())
def test_the_next_request_on_the_connection_of_an_early_answer_is_answered(port, asked, headers, status):
    if status == 429:
        rounds_lost(port, asked, headers)

    assert rounds_lost(port, asked, headers) == (0, {status})


def test_control_without_draining_many_of_these_connections_are_lost(port, tmp_path):
    with web_server(
        tmp_path / "log", application="flashsale.tests.support.undrained:application", **ENVIRONMENT
    ) as undrained:
        lost = {name: rounds_lost(undrained, asked, headers)[0] for name, (asked, headers, _) in EARLY.items()}

    assert sum(lost.values()) > len(EARLY), lost


@pytest.mark.parametrize("size", [100, DRAINED - 1, DRAINED])
@pytest.mark.parametrize("asked", ["POST /api/v1/nothing", "POST /nothing"])
def test_a_body_within_the_apis_limit_is_drained(port, asked, size):
    assert rounds_lost(port, asked, [JSON], size=size) == (0, {404})


def test_a_body_refused_for_its_size_is_drained_up_to_the_limit(port):
    with Line(port) as line:
        line.send(head_of("POST /api/v1/holds", JSON, "Content-Length: 300000"), b" " * 300_000)
        status, headers, body = line.answer()
        line.send(head_of("GET /livez"))

        assert (status, headers.get("connection")) == (413, None)
        assert b'"payload_too_large"' in body
        assert line.answer()[0] == 200


@pytest.mark.parametrize("announced", ["Content-Length: 2000000", "Transfer-Encoding: chunked"])
def test_the_connection_of_a_longer_body_is_closed(port, announced):
    with Line(port) as line:
        is_chunked = "chunked" in announced
        line.send(head_of("POST /api/v1/nothing", JSON, announced), b"fffff\r\n" if is_chunked else b"")
        if is_chunked:
            line.send(b"x" * (2 * DRAINED + 2))

        status, headers, body = line.answer()

        assert (status, headers["connection"]) == (404, "close")
        assert b'"not_found"' in body


@pytest.mark.parametrize("asked", ["POST /api/v1/holds", "POST /api/v1/nothing", "POST /admin/"])
@pytest.mark.parametrize("size", [1_000_000, 2_000_000])
def test_a_client_that_sends_a_long_body_before_reading_gets_the_answer(port, asked, size):
    for _ in range(10):
        with Line(port) as line:
            line.send(head_of(asked, JSON, f"Content-Length: {size}"), b" " * size)

            status, headers, _ = line.answer()

            assert status in (403, 404, 413)
            assert headers["connection"] == "close"
            assert line.is_closed()


def test_a_chunked_body_is_drained(port):
    with Line(port) as line:
        for _ in range(ROUNDS):
            line.send(head_of("POST /api/v1/nothing", JSON, "Transfer-Encoding: chunked"), b"2\r\n{}\r\n", b"0\r\n\r\n")

            assert line.answer()[0] == 404


@pytest.mark.parametrize(
    "announced",
    [[f"Content-Length: {2 * bodies.LINGER_BYTES}"], ["Content-Length: 100", "Expect: 100-continue"]],
    ids=["too long to read on", "sent only when asked for"],
)
def test_the_connection_of_an_unread_body_is_closed_at_once(port, announced):
    with Line(port) as line:
        line.send(head_of("POST /api/v1/nothing", JSON, *announced))

        status, headers, _ = line.answer()

        assert (status, headers["connection"]) == (404, "close")
        assert line.is_closed()


def test_expect_100_continue_is_answered_where_the_body_is_read(port):
    with Line(port) as line:
        line.send(head_of("POST /api/v1/holds", JSON, "Content-Length: 2", "Expect: 100-continue"))
        go_on = line.answer()[0]
        line.send(b"[]")

        assert (go_on, line.answer()[0]) == (100, 400)


@contextlib.contextmanager
def refused_through_nginx(port: int) -> Iterator[Callable[[int], list[int]]]:
    """Give a function that sends large bodies with a wrong token through nginx and returns the answers' statuses."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer wrong"}
    with tempfile.TemporaryDirectory(prefix="flashsale-nginx-") as folder, ThreadPoolExecutor(8) as pool:
        Path(folder).chmod(0o755)
        with nginx(Path(folder), web=port, pay=port, changes=NO_LIMITS) as proxy, proxy.client() as client:

            def refused(times: int) -> list[int]:
                posts = [pool.submit(client.post, "/api/v1/holds", content=BODY, headers=headers) for _ in range(times)]
                return [post.result().status_code for post in posts]

            yield refused


def test_an_early_answer_comes_through_nginx(port):
    with refused_through_nginx(port) as refused:
        assert set(refused(100)) == {401}


def test_control_without_draining_nginx_loses_some_of_them(django_db_setup, tmp_path):
    with (
        web_server(tmp_path / "log", application="flashsale.tests.support.undrained:application") as undrained,
        refused_through_nginx(undrained) as refused,
    ):
        assert any(503 in refused(100) for _ in range(50))
