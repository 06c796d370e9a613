"""API tokens: access with and without one, and what tokens do not share."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone
from rest_framework_api_key.models import APIKey

from checkout.models import Hold
from checkout.tests.factories import HoldFactory
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.tokens import bearer, make_token
from payments.tests.factories import send

KEY = "0123456789abcdef"


@pytest.fixture
def token(db) -> str:
    return make_token()


def test_with_a_token_the_api_works_as_without(api, product, token):
    body = {"product_id": product.pk, "quantity": 1}

    assert api.post("/api/v1/holds", body, headers=bearer(token)).status_code == 201
    assert api.post("/api/v1/holds", body).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/products"), ("GET", "/api/v1/products/{product}"), ("POST", "/api/v1/holds"),
        ("GET", "/api/v1/holds/{hold}"), ("DELETE", "/api/v1/holds/{hold}"), ("POST", "/api/v1/orders"),
    ],
)  # fmt: skip
def test_with_api_access_token_every_view_needs_one(api, closed, product, hold, token, method, path):
    path = path.format(product=product.pk, hold=hold.pk)

    refused = api.generic(method, path)
    allowed = api.generic(method, path, headers=bearer(token))

    problem_of(refused, 401, "not_authenticated")
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert allowed.status_code != 401
    assert Hold.objects.count() == 1


def test_webhooks_never_need_a_token(api, closed, order):
    assert send(api, order_id=str(order.pk), payment_id="pay_1").json()["outcome"] == "applied"
    assert send(api, order_id=str(order.pk), payment_id="pay_1").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "abcdefgh." + "x" * 32,
        "abcdefgh." + "x" * 31 + "\x00",
        "\u00e9" * 8,
        "Bearer",
        "'; DROP TABLE",
        "x" * 9000,
    ],
    ids=lambda given: given[:12],
)
@pytest.mark.parametrize("access", ["public", "token"])
def test_an_unknown_token_is_refused_everywhere(api, settings, product, access, given):
    settings.API_ACCESS = access

    problem_of(api.get(f"/api/v1/products/{product.pk}", headers=bearer(given)), 401, "not_authenticated")


def test_a_revoked_or_expired_token_is_refused(api, product):
    over = make_token(expiry_date=timezone.now() - timedelta(seconds=1))
    revoked = make_token(revoked=True)

    for token in (over, revoked):
        problem_of(api.get(f"/api/v1/products/{product.pk}", headers=bearer(token)), 401, "not_authenticated")


def test_the_scheme_may_be_written_in_any_case(api, closed, product, token):
    answer = api.get(f"/api/v1/products/{product.pk}", headers={"Authorization": f"bearer  {token}"})

    assert answer.status_code == 200


def test_a_token_is_kept_as_a_hash(token):
    row = APIKey.objects.values().get()

    assert token.partition(".")[2] not in str(row)


def test_tokens_do_not_share_idempotency_keys(api, product, token):
    body = {"product_id": product.pk, "quantity": 1}
    headers = [bearer(token), bearer(make_token()), {}]

    first = [api.post("/api/v1/holds", body, headers=who | {"Idempotency-Key": KEY}) for who in headers]
    again = [api.post("/api/v1/holds", body, headers=who | {"Idempotency-Key": KEY}) for who in headers]

    assert len({answer.json()["hold_id"] for answer in first}) == 3
    assert [answer.json()["hold_id"] for answer in again] == [answer.json()["hold_id"] for answer in first]
    assert Hold.objects.count() == 3


def test_staff_make_a_token_in_the_admin_and_see_it_once(admin_client, api, closed, product):
    page = admin_client.post(
        reverse("admin:rest_framework_api_key_apikey_add"), {"name": "storefront"}, follow=True
    ).content.decode()
    again = admin_client.get(reverse("admin:rest_framework_api_key_apikey_changelist")).content.decode()

    [row] = APIKey.objects.all()
    token = row.prefix + page.partition(f'value="{row.prefix}')[2].partition('"')[0]
    assert api.get(f"/api/v1/products/{product.pk}", headers=bearer(token)).status_code == 200
    assert token not in again


def test_a_viewer_creates_no_token(client, django_user_model, db):
    viewer = django_user_model.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)

    assert client.post(reverse("admin:rest_framework_api_key_apikey_add"), {"name": "mine"}).status_code == 403
    assert not APIKey.objects.exists()


def test_a_limit_per_customer_holds_across_tokens(api, token):
    product = HoldFactory(product__max_per_customer=2, quantity=2, customer_id="ann").product
    body = {"product_id": product.pk, "quantity": 1, "customer_id": "ann"}

    problem_of(api.post("/api/v1/holds", body, headers=bearer(token)), 409, "limit_exceeded")
