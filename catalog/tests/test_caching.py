"""HTTP caching of products, and CORS."""

import pytest

from checkout.tests.factories import HoldFactory
from flashsale.tests.support.tokens import make_token
from flashsale.web import content_security

ORIGIN = "https://shop.example.com"
EXPOSED = {"Location", "Retry-After", "ETag", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy", "X-Request-ID"}


@pytest.fixture(params=["/api/v1/products", "/api/v1/products/{}"])
def path(request, product) -> str:
    return request.param.format(product.pk)


def test_a_product_may_be_cached_for_a_second(api, path):
    answer = api.get(path)

    assert answer.headers["Cache-Control"] == "public, max-age=1"
    assert answer.headers["ETag"].startswith('"')


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_an_unchanged_product_is_answered_with_304(api, path, form):
    etag = api.get(path).headers["ETag"]

    answer = api.get(path, headers={"If-None-Match": form.format(etag)})

    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (etag, "public, max-age=1")
    assert "Content-Type" not in answer.headers
    assert answer.headers["Content-Security-Policy"] == content_security.API


@pytest.mark.django_db(transaction=True)
def test_a_changed_product_is_sent_again(api, path, product):
    etag = api.get(path).headers["ETag"]
    HoldFactory(product=product)

    answer = api.get(path, headers={"If-None-Match": etag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != etag


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since", "If-None-Match"])
@pytest.mark.parametrize("value", ['"other"', "Sat, 01 Jan 2000 00:00:00 GMT"])
def test_other_conditional_headers_are_ignored(api, path, name, value):
    assert api.get(path, headers={name: value}).status_code == 200


def test_an_answer_to_a_token_may_be_cached_privately_only(api, path):
    answer = api.get(path, headers={"Authorization": f"Bearer {make_token()}"})

    assert answer.headers["Cache-Control"] == "private, max-age=1"


def test_a_public_page_repeats_until_when_nginx_keeps_it(api, path):
    asked = api.get(path, headers={"X-Keep-Until": "1795686116"})
    private = api.get(path, headers={"X-Keep-Until": "1795686116", "Authorization": f"Bearer {make_token()}"})
    refused = api.get("/api/v1/products/999", headers={"X-Keep-Until": "1795686116"})

    assert asked.headers["X-Accel-Expires"] == "@1795686116"
    assert asked.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=2"
    assert private.headers["Cache-Control"] == "private, max-age=1"
    assert "X-Accel-Expires" not in private.headers
    assert "X-Accel-Expires" not in refused.headers


@pytest.mark.parametrize("value", ["", "soon", "-1", "1, 2", "1.5", "\xb2"])
def test_no_other_moment_is_repeated(api, path, value):
    assert "X-Accel-Expires" not in api.get(path, headers={"X-Keep-Until": value}).headers


def test_a_refusal_is_not_cacheable(api, db):
    assert "Cache-Control" not in api.get("/api/v1/products/999").headers


@pytest.fixture
def cors(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


def test_an_allowed_origin_may_read_answers_and_their_headers(api, cors, product):
    for path, status in ((f"/api/v1/products/{product.pk}", 200), ("/api/v1/products/999", 404), ("/api/v1/no", 404)):
        answer = api.get(path, headers={"Origin": ORIGIN})

        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
        assert "origin" in answer.headers["Vary"].lower()


def test_an_allowed_origin_may_send_preflight_requests(api, cors):
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "idempotency-key,content-type",
    }

    answer = api.options("/api/v1/holds", headers={"Origin": ORIGIN} | preflight)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "idempotency-key" in answer.headers["Access-Control-Allow-Headers"]
    assert {"GET", "POST", "DELETE"} == set(answer.headers["Access-Control-Allow-Methods"].split(", "))


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://shop.example.com", "null"])
def test_other_origins_may_read_nothing(api, cors, product, origin):
    answer = api.get(f"/api/v1/products/{product.pk}", headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in answer.headers


def test_by_default_no_origin_is_allowed(api, product):
    answer = api.get(f"/api/v1/products/{product.pk}", headers={"Origin": ORIGIN})

    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_admin_allows_no_other_origin(client, cors, db):
    assert "Access-Control-Allow-Origin" not in client.get("/admin/login/", headers={"Origin": ORIGIN}).headers
