"""What a token may do: scopes, and the command that makes tokens."""

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone
from rest_framework_api_key.models import APIKey

from flashsale.api import authentication
from flashsale.core.backoffice.views import BackofficeViewSet
from flashsale.core.rest import scopes
from flashsale.models import Token
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.tokens import bearer
from payments.views import WebhookView


def make_token(capsys, *options: str) -> str:
    call_command("make_token", *options)
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    return printed.out.strip()


def test_the_command_prints_a_token_that_works_and_nothing_else(db, capsys, api, product):
    token = make_token(capsys, "--name", "ERP", "--scopes", "storefront, payments:claim", "--expires", "2099-12-31")

    assert api.get(f"/api/v1/products/{product.pk}", headers=bearer(token)).status_code == 200
    made = Token.objects.get()
    assert made.scopes == {"storefront", "payments:claim"}
    assert timezone.localtime(made.expiry_date).isoformat() == "2099-12-31T00:00:00+00:00"


def test_a_token_without_scopes_has_the_storefront_scope(db, capsys):
    make_token(capsys, "--name", "app")

    assert Token.objects.get().scopes == {"storefront"}


def test_a_token_older_than_scopes_has_the_storefront_scope(db, api, product):
    _, token = APIKey.objects.create_key(name="old")

    assert api.get(f"/api/v1/products/{product.pk}", headers=bearer(token)).status_code == 200
    assert Token.objects.get().scopes == scopes.DEFAULT


@pytest.mark.parametrize(
    "options",
    [
        ["--scopes", "storefront,everything"],
        ["--scopes", ","],
        ["--expires", "tomorrow"],
        ["--expires", "2030-02-31"],
        ["--expires", "2001-01-01"],
        ["--expires", "9999-12-31T23:59:59-05:00"],
        ["--expires", "3000-01-01"],
        ["--expires", "2030-01-31x"],
        ["--name", "x" * 51],
        ["--name", ""],
        ["--name", "a\x00b"],
    ],
)
def test_a_nonsensical_option_is_one_sentence_and_makes_nothing(db, options):
    with pytest.raises(CommandError) as refused:
        call_command("make_token", "--name", "ERP", *options)

    assert "\n" not in str(refused.value)
    assert not APIKey.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1/products"), ("POST", "/api/v1/holds"), ("POST", "/api/v1/orders"), ("GET", "/api/products/1")],
)
def test_a_missing_scope_is_refused_by_name(db, api, method, path):
    token = authentication.create_token(name="claims only", scope_names=["payments:claim"])

    problem = problem_of(api.generic(method, path, headers=bearer(token)), 403, "scope_missing")

    assert problem["scope"] == "storefront"


def test_a_scope_counts_from_the_next_request_on(db, api, product):
    token = authentication.create_token(name="app", scope_names=["payments:claim"])
    authentication.set_scopes(Token.objects.get(), ["storefront"])

    assert api.get(f"/api/v1/products/{product.pk}", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(("ticked", "after"), [(["storefront", "payments:claim"], None), ([], {"storefront"})])
def test_staff_give_a_token_scopes_in_the_admin(admin_client, ticked, after):
    data = {"name": "shop", "scopes": ticked}
    admin_client.post(reverse("admin:rest_framework_api_key_apikey_add"), data, follow=True)

    token = Token.objects.get()
    assert token.scopes == (after or set(ticked))

    change = reverse("admin:rest_framework_api_key_apikey_change", args=[token.pk])
    assert "payments:claim" in admin_client.get(change).text
    admin_client.post(change, {"name": "shop", "scopes": ["payments:claim"]})
    assert Token.objects.get().scopes == {"payments:claim"}


def api_patterns() -> list[URLPattern]:
    """Return the URL patterns under /api/v1."""
    [api] = [one for one in get_resolver().url_patterns if str(one.pattern) == "api/v1/"]
    return api.url_patterns


def views_that_take_tokens() -> dict[str, tuple[type, set[str | None]]]:
    """Return, by name, each view and its actions (None for a view without actions)."""
    return {
        pattern.name: (pattern.callback.cls, set(getattr(pattern.callback, "actions", {"get": None}).values()))
        for pattern in api_patterns()
        if pattern.callback.cls is not WebhookView
    }


def undeclared(view: type, actions: set[str | None]) -> set[str | None]:
    """Return the actions of a view for which it declares no scope that exists."""
    return {action for action in actions if view.required_scopes.get(action) not in {scopes.ANY, *scopes.MEANINGS}}


def test_every_endpoint_declares_the_scope_it_needs():
    found = {name: undeclared(view, actions) for name, (view, actions) in views_that_take_tokens().items()}

    assert {name: actions for name, actions in found.items() if actions} == {}


def test_an_endpoint_without_a_declared_scope_is_found():
    class Forgetful(BackofficeViewSet):
        required_scopes = {"list": "orders:read", "retrieve": "orders:raed"}

    assert undeclared(Forgetful, {"list", "retrieve", "cancel"}) == {"retrieve", "cancel"}


# What opens each endpoint of the back office, worked out by hand.
NEEDED = {
    "GET event-list": "events:read",
    "GET event-detail": "events:read",
    "GET backoffice-orders": "orders:read",
    "POST backoffice-order-cancel": "orders:write",
    "GET backoffice-products": "products:read",
    "POST backoffice-products": "products:write",
    "GET backoffice-product": "products:read",
    "PATCH backoffice-product": "products:write",
    "POST backoffice-product-publish": "products:write",
    "POST backoffice-product-withdraw": "products:write",
    "POST backoffice-product-pause": "products:write",
    "POST backoffice-product-resume": "products:write",
    "POST backoffice-stock-adjustments": "stock:write",
    "GET backoffice-statistics": "stats:read",
    "GET backoffice-order": "orders:read",
    "POST backoffice-order-refunds": "refunds:write",
    "GET backoffice-payments": "payments:read",
    "GET backoffice-payment": "payments:read",
    "GET webhook-endpoints": "events:read",
    "POST webhook-endpoints": "webhooks:write",
    "GET webhook-endpoint": "events:read",
    "PATCH webhook-endpoint": "webhooks:write",
    "DELETE webhook-endpoint": "webhooks:write",
    "POST webhook-endpoint-rotate-secret": "webhooks:write",
    "POST webhook-endpoint-test": "webhooks:write",
    "POST webhook-endpoint-enable": "webhooks:write",
    "POST webhook-endpoint-disable": "webhooks:write",
    "POST webhook-endpoint-replay": "webhooks:write",
    "GET webhook-deliveries": "events:read",
    "POST webhook-delivery-retry": "webhooks:write",
}


def test_each_scope_opens_its_own_endpoints_and_no_others(db, api):
    tokens = {name: authentication.create_token(name=name, scope_names=[name]) for name in scopes.MEANINGS}
    opened = {}
    for endpoint, method, path in endpoints_of_backoffice():
        problem_of(api.generic(method, path), 401, "not_authenticated")
        for name, token in tokens.items():
            answer = api.generic(method, path, headers=bearer(token))
            if answer.status_code == 403:
                assert problem_of(answer, 403, "scope_missing")["scope"] == NEEDED[endpoint]
            else:
                opened.setdefault(endpoint, []).append(name)

    assert opened == {endpoint: [scope] for endpoint, scope in NEEDED.items()}


def endpoints_of_backoffice() -> list[tuple[str, str, str]]:
    """Return name, method and a path of each endpoint of the back office; nothing has the id in the path."""
    return [
        (f"{method.upper()} {pattern.name}", method.upper(), f"/api/v1/{_path_of(pattern)}")
        for pattern in api_patterns()
        if issubclass(pattern.callback.cls, BackofficeViewSet)
        for method in pattern.callback.actions
        if method != "head"
    ]


def _path_of(pattern: URLPattern) -> str:
    return re.sub(r"\(.*?\)", "0", str(pattern.pattern)).removeprefix("^").removesuffix("/?$")


def test_an_expired_token_has_no_scopes_left(db, api, product):
    token = authentication.create_token(
        name="app", scope_names=["storefront"], expires_at=timezone.now() + timedelta(hours=1)
    )
    APIKey.objects.update(expiry_date=timezone.now() - timedelta(seconds=1))

    problem_of(api.get(f"/api/v1/products/{product.pk}", headers=bearer(token)), 401, "not_authenticated")
