"""The path of a request under `/api`: past the site's middleware, one log line for an error, bounded memory."""

import logging

import pytest
from django.test import RequestFactory

from catalog.views import ProductViewSet
from flashsale.api import handler
from flashsale.api.handler import ApiHandler
from flashsale.staff.history import AdminHistoryMiddleware

pytestmark = pytest.mark.django_db


@pytest.fixture
def site_requests(monkeypatch) -> list[str]:
    """The paths of the requests that reached the last but one of the site's middleware."""
    paths: list[str] = []
    inner = AdminHistoryMiddleware.__call__

    def record(self, request):
        paths.append(request.path_info)
        return inner(self, request)

    monkeypatch.setattr(AdminHistoryMiddleware, "__call__", record)
    return paths


@pytest.mark.parametrize(
    ("path", "is_api"),
    [
        ("/api", True), ("/api/", True), ("/api/v1/products", True), ("/api/nothing", True), ("/api/v1/docs", True),
        ("/apis", False), ("/api-docs", False), ("/API/v1/products", False), ("/problems/", False),
        ("/admin/", False), ("/docs", False), ("/", False),
    ],
)  # fmt: skip
def test_only_pages_pass_the_sites_middleware(client, site_requests, path, is_api):
    client.get(path)

    assert ApiHandler().answers(path) is is_api
    assert site_requests == ([] if is_api else [path])


def test_an_internal_error_is_logged_once_with_the_id_of_its_request(monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(ProductViewSet, "list", fail)
    request = RequestFactory().get("/api/v1/products")

    with caplog.at_level(logging.ERROR):
        response = ApiHandler().get_response(request)

    [record] = [record for record in caplog.records if record.name == "django.request"]
    assert response.status_code == 500
    assert record.exc_info is not None
    assert response.headers["X-Request-ID"].encode() in response.content


def test_the_views_of_paths_are_remembered_up_to_a_number_and_a_length(api):
    handler._remembered_match.cache_clear()

    known = [api.get(f"/api/v1/orders/{number}").status_code for number in range(handler.MAX_REMEMBERED_PATHS + 10)]
    long = api.get("/api/v1/orders/" + "x" * handler.MAX_REMEMBERED_PATH_LENGTH)

    assert {*known, long.status_code} == {404}
    assert handler._remembered_match.cache_info().currsize == handler.MAX_REMEMBERED_PATHS
    assert handler._remembered_match.cache_info().misses == len(known)


def test_a_remembered_view_has_the_arguments_of_its_own_path(api, product, order):
    paths = [f"/api/v1/products/{product.pk}", f"/api/v1/orders/{order.pk}", "/api/v1/products/999999"]

    answers = [[api.get(path).json() for path in paths] for _ in range(2)]

    for product_out, order_out, problem in answers:
        assert (product_out["id"], order_out["order_id"]) == (product.pk, str(order.pk))
        assert problem["code"] == "not_found"
