"""Every error under /api is a problem document, also those of nginx and of the web server."""

import json
import re
import tempfile
from pathlib import Path

import pytest

from flashsale.api.problem_codes import BY_CODE
from flashsale.tests.support.deployed import nginx
from flashsale.tests.support.web import Line, head_of, web_server

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
A_UUID = "0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11"
PRODUCTS = "GET /api/v1/products"
HOLDS = "POST /api/v1/holds"
JSON = "Content-Type: application/json"
NO_LIMITS = {"limit_req zone": "# limit_req zone"}

# The request, and the problem code of its answer.
REFUSED = {
    "no request": (b"GARBAGE\r\n\r\n", "invalid"),
    "HTTP/3.0": (b"GET /api/v1/products HTTP/3.0\r\nHost: shop.test\r\n\r\n", "invalid"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "invalid"),
    "no host": (b"GET /api/v1/products HTTP/1.1\r\n\r\n", "invalid"),
    "two hosts": (head_of(PRODUCTS, "Host: other.test"), "invalid"),
    "a foreign host": (head_of(PRODUCTS, host="other.test"), "invalid"),
    "TRACE": (head_of("TRACE /api/v1/products"), "method_not_allowed"),
    "CONNECT": (head_of("CONNECT /api/v1/products"), "method_not_allowed"),
    "BREW": (head_of("BREW /api/v1/products"), "method_not_allowed"),
    "an unknown transfer coding": (head_of(HOLDS, "Transfer-Encoding: gzip"), "invalid"),
    "two lengths": (head_of(HOLDS, "Content-Length: 1", "Content-Length: 2"), "invalid"),
    "a length that is no number": (head_of(HOLDS, "Content-Length: x"), "invalid"),
    "a length that is too great": (head_of(HOLDS, "Content-Length: 999999999"), "payload_too_large"),
    "a bad chunk": (head_of(HOLDS, JSON, "Transfer-Encoding: chunked") + b"zz\r\n", "invalid"),
    "a long header": (head_of(PRODUCTS, f"X-Long: {'x' * 9000}"), "invalid"),
    "a long path": (head_of(f"GET /api/v1/{'x' * 9000}"), "invalid"),
    "headers that are long together": (head_of(PRODUCTS, *(f"X-{i}: {'x' * 4000}" for i in range(10))), "invalid"),
    "a NUL in a header": (head_of(PRODUCTS, "X-Odd: a\x00b"), "invalid"),
    "a control character in a header": (
        head_of(HOLDS, "Idempotency-Key: 0123456789abc\x01def", JSON, "Content-Length: 0"),
        "invalid",
    ),
    "a token with DEL": (head_of(PRODUCTS, "Authorization: Bearer \x7f"), "invalid"),
    "a space in a header's name": (head_of(PRODUCTS, "X Odd: 1"), "invalid"),
    "a header on two lines": (head_of(PRODUCTS, "X-Odd: 1\r\n 2"), "invalid"),
    "brackets in the path": (head_of("GET /api/v1/<x>"), "invalid"),
    "brackets in the query": (head_of("GET /api/v1/products?cursor=<x>"), "invalid"),
    "a quotation mark in the query": (head_of('GET /api/v1/products?cursor="x"'), "invalid"),
    "a backtick in the path": (head_of("GET /api/v1/`x`"), "invalid"),
    "a byte that is no text in the query": (head_of("GET /api/v1/products?cursor=\xff"), "invalid"),
    "a byte that is no text in the path": (head_of("GET /api/v1/\xff"), "invalid"),
    "an escape that is none": (head_of("GET /api/v1/%zz"), "invalid"),
    "an escaped NUL": (head_of("GET /api/v1/%00"), "invalid"),
    "a path above the root": (head_of("GET /api/v1/../../../x"), "invalid"),
    "an unknown expectation": (head_of(HOLDS, "Expect: cookies", JSON, "Content-Length: 0"), "invalid"),
    "a content coding": (
        head_of(HOLDS, JSON, "Content-Encoding: gzip", "Content-Length: 2") + b"{}",
        "unsupported_media_type",
    ),
    "no such path": (head_of("GET /api/v1/nothing"), "not_found"),
    "no such hold": (head_of(f"GET /api/v1/holds/{A_UUID}"), "not_found"),
}

# Unusual, and valid.
ANSWERED = {
    "more than a hundred headers": head_of(PRODUCTS, *(f"X-{number}: 1" for number in range(300))),
    "a control character in a header that nothing reads": head_of(PRODUCTS, "X-Odd: a\x01b"),
    "If-Match": head_of(PRODUCTS, 'If-Match: "other"'),
    "If-Unmodified-Since": head_of(PRODUCTS, "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT"),
    "a range": head_of(PRODUCTS, "Range: bytes=99999-"),
    "an upgrade": head_of(PRODUCTS, "Connection: Upgrade", "Upgrade: h2c"),
}


@pytest.fixture(scope="module")
def port(django_db_setup, tmp_path_factory):
    """The port of nginx in front of a web server."""
    log = tmp_path_factory.mktemp("web") / "log"
    with tempfile.TemporaryDirectory(prefix="flashsale-nginx-") as folder, web_server(log, TRUSTED_PROXIES="1") as web:
        Path(folder).chmod(0o755)
        with nginx(Path(folder), web=web, pay=web, changes=NO_LIMITS) as proxy:
            yield proxy.port


@pytest.mark.parametrize(("sent", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_every_refusal_is_a_problem_document(port, sent, code):
    with Line(port) as line:
        line.send(sent)
        status, headers, body = line.answer()

    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"], status) == (code, BY_CODE[code].status, BY_CODE[code].status)
    assert problem["type"].endswith(f"/problems/{code}")
    assert problem["title"]
    assert problem["detail"]
    assert re.fullmatch(r"[0-9a-f]{32}", problem["request_id"])
    assert headers["x-request-id"] == problem["request_id"]
    assert ("errors" in problem) == (code == "invalid")
    assert status != 405 or headers["allow"]


@pytest.mark.parametrize("sent", ANSWERED.values(), ids=ANSWERED.keys())
def test_unusual_but_valid_requests_are_answered(port, sent):
    with Line(port) as line:
        line.send(sent)
        status, headers, _ = line.answer()

    assert (status, headers["content-type"]) == (200, "application/json")


def test_a_cached_page_answers_not_modified(port):
    with Line(port) as line:
        line.send(head_of(PRODUCTS))
        _, headers, _ = line.answer()
        line.send(head_of(PRODUCTS, f"If-None-Match: {headers['etag']}"))

        assert line.answer(has_body=False)[0] == 304
