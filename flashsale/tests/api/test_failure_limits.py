"""Wrong API tokens and unsigned webhooks count by address, and lock out neither other addresses nor right tokens."""

import json
import threading
from io import BytesIO

import pytest
from django.test import RequestFactory

from checkout.tests.factories import OrderFactory
from flashsale.api import failure_limits
from flashsale.api.failure_limits import ExpiringKeys
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.processes import WAIT_SECONDS
from flashsale.tests.support.tokens import bearer, make_token
from payments.providers import PROVIDERS

pytestmark = pytest.mark.django_db

WEBHOOK = "/api/v1/payments/webhook"
WRONG = ["x", "abcdefgh." + "x" * 32]


@pytest.fixture(autouse=True)
def limits(settings, monkeypatch):
    settings.RATE_LIMITS = {"holds": 3, "changes": 4, "reads": 50, "wrong_tokens": 5, "refused_deliveries": 5}
    settings.TOKEN_RATE_LIMITS = {}
    settings.STANDARD_WEBHOOK_KEYS = [b"k" * 32]
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_x"]
    monkeypatch.setattr(failure_limits, "_penalties", ExpiringKeys())
    monkeypatch.setattr(failure_limits, "_accepted_tokens", ExpiringKeys())


def statuses(answers) -> list[int]:
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("token", WRONG)
def test_wrong_tokens_count_and_become_429(api, product, address, token):
    path = f"/api/v1/products/{product.pk}"

    answers = [api.get(path, headers=bearer(token), REMOTE_ADDR=address) for _ in range(7)]

    assert statuses(answers) == [401] * 5 + [429] * 2
    problem_of(answers[-1], 429, "throttled")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_failures_count_in_views_without_a_rate_limit(api, order, address):
    answers = [api.get(f"/api/v1/orders/{order.pk}", headers=bearer("x"), REMOTE_ADDR=address) for _ in range(6)]

    assert statuses(answers) == [401] * 5 + [429]


def test_failures_count_in_the_quota_of_the_anonymous_address(api, product, address):
    body = {"product_id": product.pk, "quantity": 1}

    wrong = [api.post("/api/v1/holds", body, headers=bearer("x"), REMOTE_ADDR=address) for _ in range(4)]

    assert statuses(wrong) == [401] * 3 + [429]
    assert api.post("/api/v1/holds", body, REMOTE_ADDR=address).status_code == 429


def test_a_header_alone_lifts_no_limit(api, product, address):
    body, headers = {"product_id": product.pk, "quantity": 1}, {"Authorization": "x"}

    answers = [api.post("/api/v1/holds", body, headers=headers, REMOTE_ADDR=address) for _ in range(4)]

    assert statuses(answers) == [201] * 3 + [429]


def test_a_valid_token_is_accepted_from_a_penalized_address(api, product, address):
    path, token = f"/api/v1/products/{product.pk}", make_token()
    for _ in range(8):
        api.get(path, headers=bearer("x"), REMOTE_ADDR=address)

    assert statuses([api.get(path, headers=bearer(token), REMOTE_ADDR=address) for _ in range(3)]) == [200] * 3
    assert api.get(path, REMOTE_ADDR=address).status_code == 200
    assert api.get(path, headers=bearer("x"), REMOTE_ADDR="198.18.0.1").status_code == 401


def test_penalized_requests_are_processed_one_at_a_time_except_with_an_accepted_token(
    api, product, address, monkeypatch
):
    path, known, other = f"/api/v1/products/{product.pk}", make_token(), make_token()
    api.get(path, headers=bearer(known), REMOTE_ADDR=address)
    for _ in range(6):
        api.get(path, headers=bearer("x"), REMOTE_ADDR=address)
    monkeypatch.setattr(failure_limits, "penalized_requests", Bulkhead(lambda: 0))

    answers = [api.get(path, headers=bearer(token), REMOTE_ADDR=address) for token in ("x", other, known)]

    assert statuses(answers) == [429, 429, 200]
    assert api.get(path, REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize("path", [WEBHOOK, "/api/v1/payments/webhooks/stripe"])
@pytest.mark.parametrize("signature", [{}, {"Stripe-Signature": "t=1,v1=x", "webhook-signature": "v1,x"}])
def test_unsigned_deliveries_count_and_become_429(api, address, path, signature):
    answers = [api.post(path, {}, headers=signature, REMOTE_ADDR=address) for _ in range(7)]

    assert statuses(answers) == [401] * 5 + [429] * 2
    problem_of(answers[0], 401, "signature_invalid")
    problem_of(answers[-1], 429, "throttled")


def test_signed_webhooks_are_accepted_from_a_penalized_address(api, address):
    order = OrderFactory()
    for _ in range(8):
        api.post(WEBHOOK, {}, REMOTE_ADDR=address)
    body = json.dumps({"idempotency_key": "evt_1", "status": "success", "order_id": str(order.pk)}).encode()
    headers = PROVIDERS["standard"].sign(body, message_id="msg_1")
    headers.pop("content-type")

    answers = [
        api.generic("POST", WEBHOOK, body, "application/json", headers=headers, REMOTE_ADDR=address) for _ in range(20)
    ]

    assert statuses(answers) == [200] * 20
    assert answers[0].json()["outcome"] == "applied"


@pytest.mark.parametrize("path", [WEBHOOK, "/api/v1/payments/webhooks/stripe"])
def test_a_delivery_without_a_signature_is_refused_before_its_body_is_read(client, path):
    class Unread(BytesIO):
        def read(self, *_args) -> bytes:
            raise AssertionError("the body was read")

    environ = {"wsgi.input": Unread(b"{}"), "CONTENT_LENGTH": 2}

    assert client.generic("POST", path, content_type="application/json", **environ).status_code == 401


@pytest.mark.parametrize(
    ("path", "headers"), [(WEBHOOK, {}), ("/api/v1/products", bearer("x")), ("/api/v1/orders/x", bearer("not.one"))]
)
def test_what_is_refused_by_its_form_needs_no_database(api, path, headers, django_assert_num_queries, address):
    with django_assert_num_queries(0):
        assert api.post(path, {}, headers=headers, REMOTE_ADDR=address).status_code in (401, 405)


def test_the_number_of_penalized_addresses_is_bounded(monkeypatch):
    monkeypatch.setattr(failure_limits, "MAX_KEYS", 3)
    deadlines = ExpiringKeys()

    for number in range(10):
        deadlines.set(number, 60)

    assert len(deadlines) <= 3
    assert deadlines.seconds_left(9) > 59
    assert deadlines.seconds_left(0) == 0


def test_a_penalized_request_waits_for_its_turn(api, product, address, monkeypatch):
    bulkhead = Bulkhead(lambda: 1, waiting=lambda: 1, wait_seconds=10)
    monkeypatch.setattr(failure_limits, "penalized_requests", bulkhead)
    failure_limits._penalties.set(("wrong_tokens", address), 60)
    inside, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with bulkhead.entered():
            inside.set()
            assert may_leave.wait(WAIT_SECONDS)

    other = threading.Thread(target=stay)
    other.start()
    assert inside.wait(WAIT_SECONDS)
    threading.Timer(0.2, may_leave.set).start()
    answer = api.get(f"/api/v1/products/{product.pk}", headers=bearer("x"), REMOTE_ADDR=address)
    other.join(WAIT_SECONDS)

    assert answer.status_code == 429


def test_penalties_use_the_address_that_trusted_proxies_saw(settings):
    settings.TRUSTED_PROXIES = 1
    failure_limits._penalties.set(("wrong_tokens", "203.0.113.9"), 60)
    headers = {"Authorization": "Bearer x", "X-Forwarded-For": "203.0.113.9"}

    suspect = RequestFactory().get("/api/v1/products", headers=headers, REMOTE_ADDR="192.0.2.1")
    other = RequestFactory().get("/api/v1/products", headers={"Authorization": "Bearer x"}, REMOTE_ADDR="192.0.2.1")

    assert failure_limits.penalty_seconds(suspect) > 59
    assert failure_limits.penalty_seconds(other) == 0
