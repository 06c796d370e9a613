"""What every provider's module promises. A new provider is tested here by its line in the list of providers."""

import json

import pytest

from checkout.models import Order
from payments import checks
from payments.models import Payment, WebhookEvent
from payments.providers import DEFAULT_PROVIDER, PROVIDERS
from payments.providers.base import UnusableSample

EACH = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.name)


def sample_of(provider, order: Order, *, status: str = "success", event_id: str = "evt_1") -> bytes:
    members = {"order_id": str(order.pk), "payment_id": "pay_1", "amount": "59.98", "currency": "USD"}
    return provider.sample(event_id=event_id, status=status, members=members)


def post(api, provider, body: bytes, headers: dict[str, str]):
    path = f"/api/v1/payments/webhooks/{provider.name}"
    return api.generic("POST", path, body, content_type="application/json", headers=headers)


@EACH
def test_a_signed_sample_of_a_success_pays_its_order(api, order, provider):
    body = sample_of(provider, order)

    answer = post(api, provider, body, provider.sign(body, message_id="evt_1"))

    assert (answer.status_code, answer.json()["order_status"]) == (200, "paid"), answer.content
    payment = Payment.objects.get()
    assert (payment.provider, payment.payment_id, payment.amount) == (provider.name, "pay_1", order.total_amount)


@EACH
def test_every_sample_is_an_event_that_the_provider_can_translate(order, provider):
    for status in provider.sample_statuses:
        message = provider.translate(sample_of(provider, order, status=status), {})

        assert (message.event_id, message.malformed) == ("evt_1", "")
        assert message.kind in {"success", "failure", "refunded"}


@EACH
def test_outside_local_mode_an_unsigned_event_is_refused(api, order, settings, provider):
    settings.LOCAL_MODE, settings.SECURE_SSL_REDIRECT = False, False

    answer = post(api, provider, sample_of(provider, order), {})

    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert not WebhookEvent.objects.exists()


@EACH
def test_no_stored_header_proves_who_sent_an_event(provider):
    names = {name.lower() for name in provider.signature_headers}

    assert not {name for name in provider.kept_headers if "signature" in name.lower()}
    assert any("signature" in name for name in names)


@EACH
def test_the_openapi_document_describes_the_event_and_its_headers(api, provider):
    paths = api.get("/api/v1/schema", headers={"Accept": "application/json"}).json()["paths"]
    is_default = provider.name == DEFAULT_PROVIDER
    path = "/api/v1/payments/webhook" if is_default else f"/api/v1/payments/webhooks/{provider.name}"

    operation = paths[path]["post"]

    assert {each["name"] for each in operation["parameters"]} == set(provider.signature_headers)
    assert operation["requestBody"]["content"]["application/json"]["schema"] == provider.body_schema


@EACH
def test_a_deployment_without_secrets_is_told_which_variable_to_set(monkeypatch, provider):
    for each in PROVIDERS.values():
        monkeypatch.setattr(each, "has_secrets", lambda: False)

    [error] = checks.webhooks_can_be_verified(None)

    assert provider.secrets_variable in error.hint


def test_a_sample_of_stripe_needs_a_payment_a_price_and_a_status_that_it_knows():
    stripe, whole = PROVIDERS["stripe"], {"payment_id": "pi_1", "amount": "29.99", "currency": "USD"}

    for status, members in [
        ("failed", whole),
        ("success", {}),
        ("success", whole | {"amount": "much"}),
        ("success", whole | {"amount": "NaN"}),
        ("success", whole | {"amount": "0.0001"}),
        ("success", whole | {"currency": "XXY"}),
    ]:
        with pytest.raises(UnusableSample):
            stripe.sample(event_id="evt_1", status=status, members=members)
    assert json.loads(stripe.sample(event_id="evt_1", status="success", members=whole))["id"] == "evt_1"
