"""The server's requests as Django reads them: headers, paths and addresses; and answers to HEAD and for files."""

from types import SimpleNamespace

import httpx
import pytest

from catalog.tests.factories import ProductFactory
from checkout.models import Hold
from flashsale.tests.support.web import Line, head_of, web_server
from flashsale.web.environ import environ_of, headers_of

KEY = "Idempotency-Key: 0123456789abcdef"


class Headers:
    """Headers as the server gives them: `items` leaves out values outside ASCII."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def items(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self._pairs if value.isascii()]

    def keys(self) -> list[str]:
        return [name for name, _ in self._pairs]


def scope_of(*headers: tuple[str, str], **members: str) -> SimpleNamespace:
    usual = {
        "method": "GET", "path": "/", "query_string": "", "http_version": "1.1", "scheme": "http",
        "server": "127.0.0.1:8000", "client": "127.0.0.1:54321",
    }  # fmt: skip
    return SimpleNamespace(headers=Headers(*headers), **usual | members)


@pytest.mark.parametrize(
    ("pairs", "headers"),
    [
        ([("accept", "a/b"), ("accept", "c/d")], {"accept": "a/b, c/d"}),
        ([("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")], {"cookie": "a=1; b=2; c=3"}),
        ([("idempotency-key", "grün"), ("accept", "*/*")], {"accept": "*/*", "idempotency-key": ""}),
        ([], {}),
    ],
    ids=["joined", "cookies", "outside ASCII", "none"],
)
def test_headers_by_name(pairs, headers):
    assert headers_of(scope_of(*pairs)) == headers


def test_the_environment_has_each_header_once():
    headers = {
        "content-type": "text/plain", "content-length": "5", "x-request-id": "a", "x_request_id": "b", "host": "shop"
    }  # fmt: skip

    environ = environ_of(scope_of(), headers)

    assert {name for name in environ if name.startswith(("HTTP_", "CONTENT"))} == {
        "CONTENT_TYPE", "HTTP_X_REQUEST_ID", "HTTP_HOST"
    }  # fmt: skip
    assert (environ["CONTENT_TYPE"], environ["HTTP_X_REQUEST_ID"]) == ("text/plain", "a")


@pytest.mark.parametrize(
    ("client", "address"),
    [("127.0.0.1:54321", "127.0.0.1"), ("[2001:db8::1]:54321", "2001:db8::1"), ("[::1]:1", "::1")],
)
def test_the_clients_address(client, address):
    assert environ_of(scope_of(client=client), {})["REMOTE_ADDR"] == address


@pytest.mark.parametrize("path", ["/", "/api/v1/products", "/grün/日本", "/a b"])
def test_a_path_as_bytes_in_latin_1(path):
    assert environ_of(scope_of(path=path), {})["PATH_INFO"].encode("latin-1").decode() == path


@pytest.fixture(scope="module")
def port(django_db_setup, tmp_path_factory):
    log = tmp_path_factory.mktemp("web") / "log"
    with web_server(log) as port:
        yield port
    assert "Traceback" not in log.read_text()


http = pytest.mark.usefixtures("transactional_db")


def hold(port: int, product_id: int, *headers: str) -> int:
    body = b'{"product_id": %d, "quantity": 1}' % product_id
    with Line(port) as line:
        announced = f"Content-Length: {len(body)}"
        line.send(head_of("POST /api/v1/holds", "Content-Type: application/json", announced, *headers), body)
        return line.answer()[0]


@http
@pytest.mark.http
@pytest.mark.parametrize("bad", ["grün 0123456789abcdef", "\xff" * 20, "short"])
def test_a_bad_idempotency_key_is_refused_and_not_ignored(port, bad):
    product = ProductFactory()

    assert hold(port, product.pk, f"Idempotency-Key: {bad}") == 400
    assert Hold.objects.count() == 0


@http
@pytest.mark.http
def test_a_header_with_an_underscore_is_none_of_that_name(port):
    product = ProductFactory()

    statuses = [hold(port, product.pk, header) for header in (KEY, KEY, KEY.replace("-", "_"), "Idempotency_Key: x")]

    assert statuses == [201] * 4
    assert Hold.objects.filter(idempotency_key="0123456789abcdef").count() == 1
    assert Hold.objects.count() == 3


@http
@pytest.mark.http
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/v1/products/{id}", 200),
        ("/%61pi/v1/products/{id}", 200),
        ("/api/v1/products/%C3%A9", 404),
        ("/api/v1/products/%ff", 404),
        ("/api%2Fv1/products", 200),
        ("/a%2Fdmin/", 404),
        ("//api/v1/products", 404),
        ("/gr%C3%BCn", 404),
        ("/%ff%fe", 404),
        ("/livez?a=%ff", 200),
        ("/api/v1/products?limit=%ff", 200),
    ],
)
def test_unusual_paths(port, target, status):
    with Line(port) as line:
        line.send(head_of(f"GET {target.format(id=ProductFactory().pk)}"))

        assert line.answer()[0] == status


@http
@pytest.mark.http
@pytest.mark.parametrize("path", ["/livez", "/api/v1/products", "/admin/login/", "/static/flashsale/admin.css", "/no"])
def test_head_has_the_headers_of_get_and_no_body(port, path):
    got, headed = (httpx.request(method, f"http://127.0.0.1:{port}{path}") for method in ("GET", "HEAD"))

    assert headed.status_code == got.status_code
    assert headed.content == b""
    assert headed.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
    assert set(headed.headers) == set(got.headers)


@pytest.mark.http
def test_a_static_file_and_a_part_of_it(port):
    url = f"http://127.0.0.1:{port}/static/flashsale/admin.css"

    whole, part = httpx.get(url), httpx.get(url, headers={"Range": "bytes=5-14"})

    assert (whole.status_code, part.status_code) == (200, 206)
    assert part.content == whole.content[5:15]
    assert part.headers["content-range"] == f"bytes 5-14/{len(whole.content)}"
