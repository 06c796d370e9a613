"""Rate limits on a real Valkey: exact under load, per client and scope, and off while it is down."""

import logging

import pytest
from django.test import RequestFactory

from catalog.models import Stock
from flashsale.api import rate_limits
from flashsale.api.rate_limits import address_of
from flashsale.core import redis_client
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.processes import free_port
from flashsale.tests.support.racing import at_once, times
from flashsale.tests.support.tokens import bearer, make_token
from payments.tests.factories import send


@pytest.fixture
def limits(settings):
    settings.RATE_LIMITS = {"holds": 3, "changes": 4, "reads": 5}
    settings.TOKEN_RATE_LIMITS = {"holds": 2, "changes": 0, "reads": 0}


def place(api, product, address: str, **kwargs):
    return api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1}, REMOTE_ADDR=address, **kwargs)


def test_requests_over_the_quota_are_refused_and_change_nothing(api, limits, product, address):
    answers = [place(api, product, address) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429, 429]
    assert Stock.objects.get().reserved == 3


def test_the_headers_show_the_clients_quota(api, limits, product, address):
    first = place(api, product, address)
    place(api, product, address)
    place(api, product, address)
    refused = place(api, product, address)

    assert first.headers["RateLimit-Policy"] == '"holds";q=3;w=60'
    assert first.headers["RateLimit"].startswith('"holds";r=2;t=')
    assert refused.headers["RateLimit"].startswith('"holds";r=0;t=')
    problem_of(refused, 429, "throttled")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_each_address_and_each_scope_has_its_own_quota(api, limits, product, address, addresses):
    for _ in range(4):
        place(api, product, address)

    assert place(api, product, next(addresses)).status_code == 201
    assert api.get(f"/api/v1/products/{product.pk}", REMOTE_ADDR=address).status_code == 200


def test_each_token_has_a_quota_of_its_own_wherever_it_calls_from(api, limits, product, address, addresses):
    mine, others = make_token(), make_token()

    answers = [place(api, product, next(addresses), headers=bearer(mine)).status_code for _ in range(3)]

    assert answers == [201, 201, 429]
    assert place(api, product, address, headers=bearer(others)).status_code == 201


def test_products_and_holds_share_the_quota_of_reads(api, limits, hold, address):
    paths = ["/api/v1/products", f"/api/v1/products/{hold.product_id}", f"/api/v1/holds/{hold.pk}"] * 2

    assert [api.get(path, REMOTE_ADDR=address).status_code for path in paths] == [200] * 5 + [429]


def test_releasing_and_ordering_are_limited_together(api, limits, hold, address):
    for _ in range(2):
        api.delete(f"/api/v1/holds/{hold.pk}", REMOTE_ADDR=address)
        api.post("/api/v1/orders", {"hold_id": str(hold.pk)}, REMOTE_ADDR=address)

    answer = api.post(f"/api/v1/orders/{hold.pk}/cancel", REMOTE_ADDR=address)

    problem_of(answer, 429, "throttled")


def test_polling_an_order_and_webhooks_are_not_limited(api, limits, order, address):
    polls = [api.get(f"/api/v1/orders/{order.pk}", REMOTE_ADDR=address) for _ in range(20)]
    events = [send(api, order_id=str(order.pk), payment_id="pay_1") for _ in range(20)]

    assert {answer.status_code for answer in polls + events} == {200}
    assert "RateLimit" not in polls[0].headers


def test_local_mode_has_no_limits_by_default(api, product, address):
    answer = place(api, product, address)

    assert answer.status_code == 201
    assert "RateLimit" not in answer.headers


@pytest.mark.django_db(transaction=True)
def test_thirty_threads_at_a_limit_of_ten_let_exactly_ten_pass(limits, settings, address):
    item = ("holds", 10, f"address:{address}")

    results = at_once(*times(30, lambda: rate_limits._count(*item)))

    assert [is_allowed for is_allowed, _ in results].count(True) == 10


def test_without_redis_requests_pass_and_the_log_says_so(api, limits, settings, product, address, monkeypatch, caplog):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    monkeypatch.setattr(rate_limits, "_breaker", redis_client.CircuitBreaker(fallback="requests are not rate limited"))

    with caplog.at_level(logging.WARNING):
        answers = [place(api, product, address).status_code for _ in range(5)]

    assert answers == [201] * 5
    assert [r for r in caplog.messages if "requests are not rate limited" in r]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "203.0.113.9"),
        (1, "", "192.0.2.1"),
        (1, "nonsense", "unknown"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (1, "2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
    ],
)
def test_the_address_is_the_one_the_trusted_proxies_saw(settings, proxies, forwarded, expected):
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    assert address_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")) == expected
