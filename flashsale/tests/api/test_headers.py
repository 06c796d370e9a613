"""The headers of every kind of answer under `/api`, exactly: none is missing, added or repeated."""

import re
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from rest_framework.test import APIClient

from catalog import views as catalog_views
from checkout.tests.factories import HoldFactory
from flashsale.core.transactions import Busy
from flashsale.tests.support.tokens import bearer, make_token
from flashsale.web.content_security import API, PAGES

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = "https://shop.example"
FROM_ORIGIN = {"Origin": ORIGIN}
PREFLIGHT = FROM_ORIGIN | {"Access-Control-Request-Method": "POST"}
JSON, PROBLEM = {"Content-Type": "application/json"}, {"Content-Type": "application/problem+json"}
EVERY = {
    "Content-Length": "{number}",
    "Content-Security-Policy": API,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Vary": "origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Request-ID": "{id}",
}
NOT_CACHED = {"Cache-Control": "no-store"}
GET, POST, DELETE = {"Allow": "GET, HEAD"}, {"Allow": "POST"}, {"Allow": "GET, HEAD, DELETE"}
PRODUCT = EVERY | JSON | GET | {"Cache-Control": "public, max-age=1", "ETag": "{etag}"}
PRODUCT_PROBLEM = EVERY | PROBLEM | GET
HOLD = EVERY | JSON | POST | NOT_CACHED | {"Location": "/api/v1/holds/{uuid}"}
HOLD_PROBLEM = EVERY | PROBLEM | POST | NOT_CACHED
SCHEMA = EVERY | GET | {
    "Content-Type": "application/vnd.oai.openapi+json", "Cache-Control": "public, max-age=300", "ETag": "{etag}",
    "Vary": "Accept, origin",
}  # fmt: skip
DOCS = SCHEMA | {
    "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": PAGES, "Vary": "origin",
}  # fmt: skip
EXPOSED = "Location, Retry-After, ETag, Idempotent-Replayed, RateLimit, RateLimit-Policy, X-Request-ID"
ALLOWED_ORIGIN = {"access-control-allow-origin": ORIGIN, "access-control-expose-headers": EXPOSED}
ALLOWED_REQUEST = ALLOWED_ORIGIN | {
    "access-control-allow-headers": (
        "accept, authorization, content-type, idempotency-key, if-none-match, queue-ticket, traceparent"
    ),
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-max-age": "86400",
}
PREFLIGHT_ANSWER = {"Content-Type": "text/html; charset=utf-8", "content-length": "0", "Vary": "origin"}
_VARIABLE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "{uuid}"),
    (re.compile(r"[0-9a-f]{32}"), "{id}"),
    (re.compile(r'"\{id\}"'), "{etag}"),
    (re.compile(r"t=\d+$"), "t={seconds}"),
)


@dataclass(frozen=True)
class Shop:
    """Ids of what is for sale, on hold and ordered."""

    product_id: int
    hold_id: UUID
    order_id: UUID

    def path(self, template: str) -> str:
        """Return a path of the API, with the ids that it names."""
        return "/api" + template.format(product=self.product_id, hold=self.hold_id, order=self.order_id)

    def claim(self, **members: object) -> dict[str, object]:
        """Return the body of a request for a hold."""
        return {"product_id": self.product_id, "quantity": 1} | members


@pytest.fixture
def shop(product, order) -> Shop:
    return Shop(product.pk, HoldFactory(product=product).pk, order.pk)


def headers_of(answer) -> dict[str, str]:
    """Return the headers with placeholders for ids, tags and numbers."""
    headers = dict(answer.headers)
    if headers.get("Content-Length") == str(len(answer.content)):
        headers["Content-Length"] = "{number}"
    for pattern, placeholder in _VARIABLE:
        headers = {name: pattern.sub(placeholder, value) for name, value in headers.items()}
    return headers


@pytest.mark.parametrize(
    ("path", "headers", "status", "expected"),
    [
        ("/v1/products/{product}", {}, 200, PRODUCT), ("/v1/products/{product}/", {}, 200, PRODUCT),
        ("/products/{product}", {}, 200, PRODUCT), ("/v1/products", {}, 200, PRODUCT),
        ("/v1/products/{product}", {"Accept": "application/json"}, 200, PRODUCT),
        ("/v1/products/{product}", {"Accept": "text/html,*/*;q=0.8"}, 200, PRODUCT),
        ("/v1/products/{product}", {"Accept": "text/html"}, 406, PRODUCT_PROBLEM),
        ("/v1/products/{product}", {"Accept": "nonsense"}, 406, PRODUCT_PROBLEM),
        ("/v1/products/{product}", {"Authorization": "Basic x"}, 200, PRODUCT),
        ("/v1/products/{product}", {"Cookie": "sessionid=x; csrftoken=x"}, 200, PRODUCT),
        ("/v1/products/{product}", bearer("x"), 401, PRODUCT_PROBLEM | {"WWW-Authenticate": "Bearer"}),
        ("/v1/products/999999", {}, 404, PRODUCT_PROBLEM), ("/v1/products/x", {}, 404, PRODUCT_PROBLEM),
        ("/v1/products?cursor=x", {}, 400, PRODUCT_PROBLEM),
        ("/v1/holds/{hold}", {}, 200, EVERY | JSON | DELETE | NOT_CACHED),
        ("/v1/holds/x", {}, 404, EVERY | PROBLEM | DELETE | NOT_CACHED),
        ("/v1/orders/{order}", {}, 200, EVERY | JSON | GET | NOT_CACHED),
        ("/v1/holds", {}, 405, HOLD_PROBLEM),
        ("/v1/payments/webhook", {}, 405, EVERY | PROBLEM | POST),
        ("/v1", {}, 200, EVERY | JSON | GET), ("/v1/", {}, 200, EVERY | JSON | GET), ("/", {}, 200, EVERY | JSON | GET),
        ("", {}, 200, {name: EVERY[name] for name in EVERY if name != "Vary"} | JSON | GET),
        ("/v1/nothing", {}, 404, EVERY | PROBLEM | {"Allow": "OPTIONS"}),
        ("/nothing", {}, 404, EVERY | PROBLEM | {"Allow": "OPTIONS"}),
        ("/v1/schema", {}, 200, SCHEMA), ("/v1/docs", {}, 200, DOCS), ("/docs", {}, 200, DOCS),
        ("/v1/schema", {"Accept": "text/html"}, 406, EVERY | PROBLEM | GET | {"Vary": "Accept, origin"}),
        ("/v1/products/{product}", {"Host": "evil.example"}, 400, EVERY | PROBLEM),
        ("/v1/nothing", {"Host": "not a host"}, 400, EVERY | PROBLEM),
    ],
)  # fmt: skip
def test_of_a_get(api, shop, settings, path, headers, status, expected):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]

    plain = api.get(shop.path(path), headers=headers)
    from_origin = api.get(shop.path(path), headers=headers | FROM_ORIGIN)
    from_stranger = api.get(shop.path(path), headers=headers | {"Origin": "https://evil.example"})

    assert (plain.status_code, headers_of(plain)) == (status, expected)
    assert headers_of(from_origin) == (expected | ALLOWED_ORIGIN if path else expected)
    assert headers_of(from_stranger) == expected


@pytest.mark.parametrize(
    ("members", "headers", "status", "expected"),
    [
        ({}, {}, 201, HOLD), ({}, {"Idempotency-Key": "k" * 20}, 201, HOLD),
        ({}, {"Idempotency-Key": "k"}, 400, HOLD_PROBLEM), ({"quantity": "x"}, {}, 400, HOLD_PROBLEM),
        ({"product_id": 999_999}, {}, 404, HOLD_PROBLEM), ({"quantity": 9}, {}, 409, HOLD_PROBLEM),
        ({}, {"Content-Encoding": "gzip"}, 415, HOLD_PROBLEM | {"Accept-Encoding": "identity"}),
        ({"x": "x" * 300_000}, {}, 413, HOLD_PROBLEM),
    ],
)  # fmt: skip
def test_of_a_request_for_a_hold(api, shop, members, headers, status, expected):
    answer = api.post("/api/v1/holds", shop.claim(**members), headers=headers)

    assert (answer.status_code, headers_of(answer)) == (status, expected)


def test_of_a_replayed_request(api, shop):
    key = {"Idempotency-Key": uuid4().hex}
    api.post("/api/v1/holds", shop.claim(), headers=key)

    replayed = api.post("/api/v1/holds", shop.claim(), headers=key)
    reused = api.post("/api/v1/holds", shop.claim(quantity=2), headers=key)

    assert headers_of(replayed) == HOLD | {"Idempotent-Replayed": "true"}
    assert (reused.status_code, headers_of(reused)) == (422, HOLD_PROBLEM)


def test_of_other_changes(api, shop, hold):
    ordered = api.post("/api/v1/orders", {"hold_id": str(shop.hold_id)})
    cancelled = api.post(f"/api/v1/orders/{shop.order_id}/cancel")
    released = api.delete(f"/api/v1/holds/{hold.pk}")
    webhook = api.post("/api/v1/payments/webhook", {"idempotency_key": "evt_1", "status": "success"})
    replayed = api.post("/api/v1/payments/webhook", {"idempotency_key": "evt_1", "status": "success"})
    unknown = api.post("/api/v1/payments/webhooks/nobody", {})

    assert headers_of(ordered) == HOLD | {"Location": "/api/v1/orders/{uuid}"}
    assert headers_of(cancelled) == EVERY | JSON | POST | NOT_CACHED
    # A 204 has no body, but Django's default type.
    html = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": PAGES}
    assert headers_of(released) == EVERY | html | DELETE | NOT_CACHED
    assert headers_of(webhook) == EVERY | JSON | POST
    assert headers_of(replayed) == EVERY | JSON | POST | {"Idempotent-Replayed": "true"}
    assert headers_of(unknown) == EVERY | PROBLEM | POST


def test_of_other_methods(api, shop):
    path = shop.path("/v1/products/{product}")

    head, put, options = api.head(path), api.put(path), api.options(path)
    unchanged = api.get(path, headers={"If-None-Match": head.headers["ETag"]})

    # The test client drops the body of a HEAD, as a web server does.
    assert headers_of(head) == PRODUCT | {"Content-Length": head.headers["Content-Length"]}
    assert (put.status_code, headers_of(put)) == (405, PRODUCT_PROBLEM)
    assert (options.status_code, headers_of(options)) == (405, PRODUCT_PROBLEM)
    not_modified = {name: value for name, value in PRODUCT.items() if name != "Content-Type"}
    assert (unchanged.status_code, headers_of(unchanged)) == (304, not_modified)


def test_of_preflights(api, settings):
    refused = api.options("/api/v1/holds", headers=PREFLIGHT)
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    allowed = api.options("/api/v1/holds", headers=PREFLIGHT)
    base = api.options("/api", headers=PREFLIGHT)
    options = api.options("/api/v1/holds", headers=FROM_ORIGIN)

    assert (refused.status_code, headers_of(refused)) == (200, PREFLIGHT_ANSWER)
    assert headers_of(allowed) == PREFLIGHT_ANSWER | ALLOWED_REQUEST
    assert base.status_code == 405
    assert headers_of(options) == HOLD_PROBLEM | ALLOWED_REQUEST


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (ValueError(), 500, EVERY | PROBLEM),
        (SuspiciousOperation(), 400, EVERY | PROBLEM),
        (Busy(), 503, PRODUCT_PROBLEM | {"Retry-After": "1"}),
        (OperationalError(), 503, PRODUCT_PROBLEM | {"Retry-After": "1"}),
    ],
)
def test_of_an_error(api, shop, monkeypatch, error, status, expected):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(catalog_views.ProductViewSet, "list", fail)

    answer = api.get("/api/v1/products")

    assert (answer.status_code, headers_of(answer)) == (status, expected)


def test_of_limited_requests(api, shop, settings, address):
    settings.RATE_LIMITS = {"reads": 2, "wrong_tokens": 1}
    path = shop.path("/v1/products/{product}")

    first, second, over = (api.get(path, REMOTE_ADDR=address) for _ in range(3))
    schema = api.get("/api/v1/schema", REMOTE_ADDR=address)
    _, penalized = (api.get(path, headers=bearer("x"), REMOTE_ADDR=address) for _ in range(2))

    quota = {"RateLimit-Policy": '"reads";q=2;w=60'}
    exhausted = quota | {"RateLimit": '"reads";r=0;t={seconds}'}
    assert headers_of(first) == PRODUCT | quota | {"RateLimit": '"reads";r=1;t={seconds}'}
    assert headers_of(second) == PRODUCT | exhausted
    assert headers_of(over) == PRODUCT_PROBLEM | exhausted | {"Retry-After": over.headers["Retry-After"]}
    refused_schema = EVERY | PROBLEM | GET | exhausted | {"Vary": "Accept, origin"}
    assert headers_of(schema) == refused_schema | {"Retry-After": schema.headers["Retry-After"]}
    assert headers_of(penalized) == EVERY | PROBLEM | {"Retry-After": penalized.headers["Retry-After"]}


def test_where_a_token_is_required(api, admin_client, shop, closed):
    path = shop.path("/v1/products/{product}")

    refused, allowed = api.get(path), api.get(path, headers=bearer(make_token()))
    schema, of_staff = api.get("/api/v1/schema"), admin_client.get("/api/v1/schema")

    challenge = {"WWW-Authenticate": "Bearer"}
    by_session = {"Vary": "Accept, Cookie, origin"}
    assert headers_of(refused) == PRODUCT_PROBLEM | challenge
    assert headers_of(allowed) == PRODUCT | {"Cache-Control": "private, max-age=1"}
    assert headers_of(schema) == EVERY | PROBLEM | GET | challenge | by_session
    assert headers_of(of_staff) == SCHEMA | by_session | {"Cache-Control": "private, max-age=300"}


def test_of_transport_security(shop, settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 100
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    client, path = APIClient(), shop.path("/v1/products/{product}")

    secure, plain = client.get(path, secure=True), client.get(f"{path}?a=b")
    unknown_host = client.get(path, headers={"Host": "evil.example"})

    assert headers_of(secure) == PRODUCT | {"Strict-Transport-Security": "max-age=100; includeSubDomains; preload"}
    redirect = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": PAGES}
    assert plain.status_code == 301
    assert headers_of(plain) == EVERY | redirect | {"Location": f"https://testserver{path}?a=b"}
    assert (unknown_host.status_code, headers_of(unknown_host)) == (400, EVERY | PROBLEM)
