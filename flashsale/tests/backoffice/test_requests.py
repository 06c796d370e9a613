"""What every request to the back office passes: its token, its quota, its query, its body."""

import pytest
from rest_framework_api_key.models import APIKey

from catalog.tests.factories import ProductFactory
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.api import authentication
from flashsale.core.backoffice import newest_first
from flashsale.models import Token
from flashsale.tests.support.backoffice import BASE, BackofficeClient, new_key
from flashsale.tests.support.problems import problem_of

ORDERS = f"{BASE}/orders"


@pytest.mark.parametrize("access", ["public", "token"])
def test_only_tokens_are_answered_not_even_staff(admin_client, api, settings, access):
    settings.API_ACCESS = access

    for client in (api, admin_client):
        refused = client.get(ORDERS)
        problem_of(refused, 401, "not_authenticated")
        assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_counts_as_it_is_at_each_request(erp, order, monkeypatch):
    first = erp.get("/orders", {"limit": 1})
    authentication.set_scopes(Token.objects.get(), ["storefront"])
    without_scope = erp.get("/orders")
    authentication.set_scopes(Token.objects.get(), ["orders:read"])
    with_scope = erp.get("/orders")
    APIKey.objects.update(revoked=True)
    revoked = erp.get("/orders")

    assert first.status_code == with_scope.status_code == 200
    assert problem_of(without_scope, 403, "scope_missing")["scope"] == "orders:read"
    problem_of(revoked, 401, "not_authenticated")


def test_answers_are_not_cached_and_count_in_a_quota_of_their_own(erp, settings, product):
    settings.TOKEN_RATE_LIMITS = {"backoffice": 2, "reads": 5}

    answers = [erp.get("/orders") for _ in range(3)]
    refused = problem_of(answers[-1], 429, "throttled")
    storefront = erp.get("/api/v1/products")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refused["code"] == "throttled"
    assert answers[0].headers["Cache-Control"] == answers[-1].headers["Cache-Control"] == "no-store"
    assert answers[0].headers["RateLimit-Policy"] == '"backoffice";q=2;w=60'
    assert storefront.status_code == 200


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("colour=red", "#query/colour", "unknown"),
        ("page=2", "#query/page", "unknown"),
        ("a~b%2Fc=1", "#query/a~0b~1c", "unknown"),
        ("status=paid&status=expired", "#query/status", "repeated"),
        ("status=Paid", "#query/status", "not_a_choice"),
        ("status=", "#query/status", "not_a_choice"),
        ("product_id=1.0", "#query/product_id", "not_an_integer"),
        ("product_id=01", "#query/product_id", "not_an_integer"),
        ("product_id=0", "#query/product_id", "not_an_integer"),
        ("product_id=9223372036854775808", "#query/product_id", "not_an_integer"),
        ("product_id=%D9%A1", "#query/product_id", "not_an_integer"),
        ("customer_id=", "#query/customer_id", "invalid"),
        ("customer_id=a%00b", "#query/customer_id", "invalid"),
        ("customer_id=" + "x" * 65, "#query/customer_id", "invalid"),
        ("created_from=2026-11-20", "#query/created_from", "not_a_time"),
        ("created_from=2026-11-20T12:00:00", "#query/created_from", "not_a_time"),
        ("created_to=9999-12-31T23:59:59Z", "#query/created_to", "not_a_time"),
        ("created_to=yesterday", "#query/created_to", "not_a_time"),
        ("limit=0", "#query/limit", "not_an_integer"),
        ("limit=101", "#query/limit", "not_an_integer"),
        ("limit=ten", "#query/limit", "not_an_integer"),
        ("cursor=", "#query/cursor", "invalid_cursor"),
        ("cursor=%00", "#query/cursor", "invalid_cursor"),
        ("cursor=MS4x=", "#query/cursor", "invalid_cursor"),
        ("cursor=MS4x", "#query/cursor", "invalid_cursor"),  # 1.1: the place of a row with a number
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTkuMQ", "#query/cursor", "invalid_cursor"),
        ("cursor=cD01MA%3D%3D", "#query/cursor", "invalid_cursor"),  # one of the list of products
    ],
)
def test_a_parameter_that_is_unknown_or_wrong_is_refused_by_name(erp, query, pointer, code):
    problem = problem_of(erp.get(f"/orders?{query}"), 400, "invalid")

    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [(pointer, code)]


def test_an_action_without_parameters_takes_none(erp, order):
    problem = problem_of(erp.post(f"/orders/{order.pk}/cancel?force=1", {"note": "x"}), 400, "invalid")

    assert problem["errors"][0]["pointer"] == "#query/force"
    assert Order.objects.get().status == "pending_payment"


@pytest.mark.parametrize(
    ("key", "code"),
    [(None, "required"), ("short", "invalid"), ("x" * 256, "invalid"), ("nöt ascii, but long", "invalid")],
)
def test_a_post_needs_an_idempotency_key(erp, order, key, code):
    problem = problem_of(erp.post(f"/orders/{order.pk}/cancel", {"note": "x"}, key=key), 400, "invalid")

    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [("#header/Idempotency-Key", code)]
    assert Order.objects.get().status == "pending_payment"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "#/note"), ({"note": ""}, "#/note"), ({"note": "x" * 501}, "#/note"), ({"note": 1}, "#/note"),
     ({"note": "x", "amount": "1"}, "#/amount"), ([], "#")],
)  # fmt: skip
def test_a_body_is_checked_member_by_member(erp, order, body, pointer):
    problem = problem_of(erp.post(f"/orders/{order.pk}/cancel", body), 400, "invalid")

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert Order.objects.get().status == "pending_payment"


def test_a_method_that_a_path_does_not_have_is_named_so(erp):
    answer = erp.post("/orders")

    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


def test_both_prefixes_are_the_same_request(erp, order):
    key, note = new_key(), {"note": "Asked by mail"}

    first = erp.post(f"/api/v1/backoffice/orders/{order.pk}/cancel", note, key=key)
    again = erp.post(f"/api/backoffice/orders/{order.pk}/cancel/", note, key=f'"{key}"')

    assert first.status_code == again.status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"


def test_the_list_reads_on_from_where_it_was_while_orders_are_placed(erp):
    product = ProductFactory(stock=50)
    placed = [OrderFactory(product=product) for _ in range(7)]
    # Three of one moment: their ids decide.
    Order.objects.filter(pk__in=[one.pk for one in placed[2:5]]).update(created_at=placed[2].created_at)

    seen, url = [], f"{ORDERS}?limit=2&status=pending_payment"
    while url:
        page = erp.get(url).json()
        seen += [one["order_id"] for one in page["results"]]
        assert page["previous"] is None
        assert len(page["results"]) <= 2
        url = page["next"]
        OrderFactory(product=product)

    assert sorted(seen) == sorted(str(one.pk) for one in placed)
    assert seen == [
        str(pk) for pk in Order.objects.filter(pk__in=seen).order_by("-created_at", "-pk").values_list("pk", flat=True)
    ]


def test_a_page_ends_the_list_when_it_holds_the_rest(erp, product):
    [OrderFactory(product=product) for _ in range(2)]

    assert erp.get("/orders", {"limit": 2}).json()["next"] is None
    assert len(erp.get("/orders").json()["results"]) == 2
    assert newest_first.DEFAULT_ROWS == 50


def test_a_token_of_another_name_is_another_client(db, order):
    assert BackofficeClient("orders:read", name="other").get("/orders").status_code == 200
