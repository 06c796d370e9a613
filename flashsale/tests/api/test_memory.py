"""A request's memory is freed when it is answered: no kind of request leaves work for the garbage collector.

The collector counts objects, not bytes: what stays in reference cycles until it runs may be any amount of memory.
"""

import gc
import json
from collections.abc import Iterator
from io import BytesIO

import pytest
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.wsgi import AcyclicHandler

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 10
# Rows that refer to each other, such as a hold and its order, and the functions by which Django joins their tables.
FEW = 20
# The pages of the admin use forms and templates, which refer to each other.
FORMS = 1_000
PARAMETERS = {"pk": "1", "delivery": "1", "provider": "standard", "code": "busy"}


class Site:
    """The application as the web server calls it."""

    def __init__(self) -> None:
        self._handler = AcyclicHandler()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """Send one request; return the status of its answer."""
        environ = RequestFactory().generic(method, path, body, "application/json", headers=headers).environ
        environ["wsgi.input"] = BytesIO(body)
        statuses = []
        response = self._handler(environ, lambda status, _headers: statuses.append(int(status[:3])))
        b"".join(response)
        response.close()
        return statuses[0]

    def left_behind(self, *request, **headers: str) -> float:
        """Return how many objects one such request leaves in reference cycles, once its caches are filled."""
        for _ in range(2):
            self.ask(*request, **headers)
        gc.collect()
        gc.disable()
        try:
            for _ in range(TIMES):
                self.ask(*request, **headers)
            return gc.collect() / TIMES
        finally:
            gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[None]:
    """The collector looks at what is made from now on only, which is quick."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def site() -> Site:
    return Site()


def body(**members) -> bytes:
    return json.dumps(members).encode()


LARGE = b'{"x": "' + b"a" * 250_000 + b'"}'
NOBODY = "0c8080c5-68d4-454b-8ebb-62243f1c9cd8"


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (200, ("GET", "/api/v1/schema")), (200, ("GET", "/api/v1/docs")), (200, ("GET", "/api/v1/docs?script=")),
        (200, ("GET", "/problems/")), (200, ("GET", "/problems/busy")), (404, ("GET", "/problems/nonsense")),
        (200, ("GET", "/")), (404, ("GET", "/nothing")), (404, ("GET", "/api/nothing")), (302, ("GET", "/admin/")),
        (200, ("GET", "/livez")), (200, ("GET", "/readyz")), (200, ("GET", "/static/flashsale/page.css")),
        (200, ("GET", "/api/v1/products")), (404, ("GET", "/api/v1/products/999999")),
        (400, ("GET", "/api/v1/products?cursor=x")), (406, ("GET", "/api/v1/products", b"", "text/html")),
        (400, ("POST", "/api/v1/holds", b"{")), (400, ("POST", "/api/v1/holds", b"[[[[1]]]]")),
        (400, ("POST", "/api/v1/holds", LARGE)), (413, ("POST", "/api/v1/holds", LARGE * 2)),
        (405, ("PUT", "/api/v1/holds", b"{}")), (405, ("OPTIONS", "/api/v1/holds", b"{}")),
        (404, ("POST", "/api/v1/holds", body(product_id=999999, quantity=1))),
        (404, ("POST", "/api/v1/orders", body(hold_id=NOBODY))), (404, ("GET", f"/api/v1/orders/{NOBODY}")),
        (404, ("DELETE", f"/api/v1/holds/{NOBODY}")), (404, ("POST", f"/api/v1/orders/{NOBODY}/cancel")),
        (400, ("POST", "/api/v1/payments/webhook", b"{}")), (400, ("POST", "/api/v1/payments/webhook", LARGE)),
        (200, ("POST", "/api/v1/payments/webhook", body(idempotency_key="evt_1", status="success"))),
        (404, ("POST", "/api/v1/payments/webhooks/nobody", LARGE)),
    ],
    ids=lambda value: "-".join(map(str, value[:2])) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_no_request_leaves_anything_in_reference_cycles(site, status, request_):
    method, path, *rest = request_
    content, accept = (*rest, *(b"", "*/*")[len(rest) :])

    assert site.ask(method, path, content, Accept=accept) == status
    assert site.left_behind(method, path, content, Accept=accept) <= FEW


def test_a_sale_leaves_nothing_in_reference_cycles(site):
    product, gone = ProductFactory(stock=1_000), ProductFactory(stock=1)
    hold, order = HoldFactory(product=product), OrderFactory(product=product)
    HoldFactory(product=gone, quantity=1)
    requests = [
        ("GET", f"/api/v1/products/{product.pk}"), ("GET", f"/api/v1/holds/{hold.pk}"),
        ("GET", f"/api/v1/orders/{order.pk}"), ("POST", "/api/v1/holds", body(product_id=product.pk, quantity=1)),
        ("POST", "/api/v1/holds", body(product_id=gone.pk, quantity=1)),
        ("POST", "/api/v1/orders", body(hold_id=str(order.hold_id))),
    ]  # fmt: skip

    left = [site.left_behind(*request) for request in requests]

    assert max(left) <= FEW, left


@pytest.mark.parametrize("token", ["x", "abcdefgh." + "x" * 32])
def test_a_wrong_token_leaves_nothing_in_reference_cycles(site, token):
    headers = {"Authorization": f"Bearer {token}"}

    assert site.ask("GET", "/api/v1/products", **headers) == 401
    assert site.left_behind("GET", "/api/v1/products", **headers) <= FEW


def test_a_refused_delivery_leaves_nothing_in_reference_cycles(site, settings):
    settings.STANDARD_WEBHOOK_KEYS = [b"secret"]

    assert site.ask("POST", "/api/v1/payments/webhook", LARGE) == 401
    assert site.left_behind("POST", "/api/v1/payments/webhook", LARGE) <= FEW


def test_an_unknown_host_leaves_nothing_in_reference_cycles(site, settings):
    settings.ALLOWED_HOSTS = ["shop.test"]

    assert site.left_behind("GET", "/api/v1/products") <= FEW
    assert site.left_behind("GET", "/admin/login/") <= FEW


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/login/?next=/admin/", "/metrics"])
def test_memory_left_by_admin_requests_is_bounded(site, path):
    assert site.left_behind("GET", path) <= FORMS
    assert site.left_behind("POST", path, b"username=x&password=y") <= FORMS


def paths_of(patterns: list, prefix: str = "/"):
    """Return a path for each URL pattern outside the admin."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":
                yield from paths_of(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            route = str(pattern.pattern).lstrip("^").rstrip("$").replace("/?", "")
            for name, value in PARAMETERS.items():
                route = route.replace(f"(?P<{name}>[^/]+)", value).replace(f"<slug:{name}>", value)
            yield prefix + route.replace("(/.*)?", "/x")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", sorted(set(paths_of(get_resolver().url_patterns))))
def test_no_endpoint_leaves_anything_in_reference_cycles(site, method, path):
    assert "(" not in path, f"PARAMETERS lacks one of {path}"
    assert site.left_behind(method, path, b"{}") <= FEW
