"""The schema, its page and the problem pages: rendered once, cacheable, rate limited, and as public as the API."""

import threading

import pytest
from django.urls import URLPattern, get_resolver
from rest_framework.test import APIClient

from flashsale.api import authentication, problem_pages
from flashsale.api.openapi import document
from flashsale.core.backoffice.views import HasScope
from flashsale.core.rest.conditional import RenderedBody, RenderOnce
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.processes import WAIT_SECONDS
from flashsale.tests.support.tokens import bearer, make_token
from payments.views import WebhookView

DESCRIPTIONS = ["/api/v1/schema", "/api/v1/docs", "/api/v1/docs?script="]
PAGES = [*DESCRIPTIONS, "/problems/", "/problems/busy"]


def test_concurrent_requests_render_a_page_once():
    made, first_is_in, may_end = [], threading.Event(), threading.Event()

    def make(key: str) -> RenderedBody:
        made.append(key)
        first_is_in.set()
        assert may_end.wait(WAIT_SECONDS)
        return RenderedBody.of(key.encode(), "text/plain")

    cache, found = RenderOnce(make), []
    askers = [threading.Thread(target=lambda: found.append(cache.get("a"))) for _ in range(20)]
    [asker.start() for asker in askers]
    assert first_is_in.wait(WAIT_SECONDS)
    may_end.set()
    [asker.join(WAIT_SECONDS) for asker in askers]

    assert made == ["a"]
    assert [page.body for page in found] == [b"a"] * 20


def test_a_page_that_failed_to_render_is_rendered_again():
    answers = iter([ValueError("not yet"), RenderedBody.of(b"a", "text/plain")])

    def make(_: str) -> RenderedBody:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = RenderOnce(make)

    with pytest.raises(ValueError, match="not yet"):
        cache.get("a")
    assert cache.get("a").body == b"a"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_rendered_once(client, db, monkeypatch, path):
    before = client.get(path).content
    for module, name in (
        (document, "DocumentGenerator"),
        (document, "render_to_string"),
        (problem_pages, "render_to_string"),
    ):
        monkeypatch.setattr(module, name, None)

    assert client.get(path, {"lang": "de", "version": "2"}).status_code == 200
    assert client.get(path).content == before


@pytest.mark.parametrize("path", PAGES)
def test_clients_may_cache_a_page_and_revalidate_it(client, db, path):
    page = client.get(path)

    again = client.get(path, headers={"If-None-Match": page.headers["ETag"]})

    assert page.headers["Cache-Control"] == "public, max-age=300"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("path", PAGES)
def test_pages_count_as_reads(client, db, settings, address, path):
    settings.RATE_LIMITS = {"reads": 2}

    answers = [client.get(path, REMOTE_ADDR=address) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60


def test_the_schema_comes_in_the_media_type_that_was_asked_for(client, db):
    for kind in ("application/json", "application/vnd.oai.openapi+json"):
        assert client.get("/api/v1/schema", headers={"Accept": kind}).headers["Content-Type"] == kind


@pytest.mark.parametrize("path", DESCRIPTIONS)
def test_where_the_api_needs_a_token_so_does_its_description(api, db, closed, path):
    refused = api.get(path)
    allowed = api.get(path, headers=bearer(make_token()))

    problem_of(refused, 401, "not_authenticated")
    assert allowed.status_code == 200
    assert allowed.headers["Cache-Control"] == "private, max-age=300"


@pytest.mark.parametrize("path", DESCRIPTIONS)
def test_staff_who_are_signed_in_may_read_the_description(client, admin_client, django_user_model, closed, path):
    client.force_login(django_user_model.objects.create_user("customer"))

    assert client.get(path).status_code == 401
    assert admin_client.get(path).status_code == 200


def test_problem_pages_stay_public(client, closed):
    assert client.get("/problems/busy").status_code == 200


def api_views() -> dict[str, type]:
    """Return the view of each URL pattern under /api, but the one that says that there is none."""
    found = {}
    for resolver in get_resolver().url_patterns:
        if str(resolver.pattern).startswith("api/"):
            for pattern in resolver.url_patterns:
                assert isinstance(pattern, URLPattern)
                found[f"/{resolver.pattern}{pattern.pattern}"] = pattern.callback.cls
    return found


# What asks for a token: where the API needs one, and always in the back office.
CHECKS = (authentication.HasApiAccess, HasScope)


@pytest.mark.parametrize("path", api_views())
def test_no_endpoint_forgets_that_the_api_may_need_a_token(path):
    """Webhooks prove by their signature who sent them."""
    view = api_views()[path]
    if view is WebhookView:
        return

    assert authentication.TokenAuthentication in view.authentication_classes
    assert any(issubclass(permission, CHECKS) for permission in view.permission_classes)
    assert view.throttle_classes
    assert view.rate_scopes


def test_a_client_without_a_token_is_refused_before_its_body_is_read(closed, db):
    problem_of(APIClient().post("/api/v1/holds", "{", content_type="application/json"), 401, "not_authenticated")
