"""Fixtures for payments: production settings, a local Stripe server, tokens, money that is due."""

import pytest

from checkout import audit, orders
from checkout.tests.factories import HoldFactory
from flashsale.api import authentication
from flashsale.local_provider.running import running
from flashsale.tests.support.processes import WAIT_SECONDS
from payments.models import Payment
from payments.providers.stripe import refunds as stripe_refunds
from payments.tests.support.ordering import place
from payments.tests.support.provider_refunds import API_KEY
from payments.tests.support.stripe_events import INTENT, NEW, OLD, event, intent, outcome, send


@pytest.fixture
def claims_prove_nothing(settings, db):
    """As in production: payment ids that buyers name are claims. Afterwards the books are right."""
    settings.TRUST_CLAIMED_PAYMENT_IDS = False
    yield
    assert audit.find_drift() == []


@pytest.fixture
def trusted(db) -> str:
    """An API token whose payment ids are proved."""
    return authentication.create_token(name="shop", scope_names=["storefront", "payments:claim"])


@pytest.fixture
def storefront(db) -> str:
    """An API token without that scope."""
    return authentication.create_token(name="app", scope_names=["storefront"])


@pytest.fixture
def attacker(product, api) -> dict:
    """An order of a buyer who claims another buyer's payment id."""
    return place(api, HoldFactory(product=product), payment_id="pay_1")


@pytest.fixture
def stripe_in_production(settings, db):
    """Live mode, while one signing secret replaces another. Afterwards the books are right."""
    settings.LOCAL_MODE = False
    settings.SECURE_SSL_REDIRECT = False
    settings.STRIPE_WEBHOOK_SECRETS = [OLD, NEW]
    settings.STRIPE_LIVEMODE = True
    yield
    assert audit.find_drift() == []


@pytest.fixture
def live(settings, monkeypatch, db):
    """Live mode with automatic refunds. Afterwards the books are right."""
    settings.LOCAL_MODE = False
    settings.SECURE_SSL_REDIRECT = False
    settings.STRIPE_WEBHOOK_SECRETS = [NEW]
    settings.STRIPE_LIVEMODE = settings.STRIPE_AUTO_REFUND = True
    settings.STRIPE_API_KEY = API_KEY
    monkeypatch.setattr(stripe_refunds, "REQUEST_SECONDS", WAIT_SECONDS)
    yield
    assert audit.find_drift() == []


@pytest.fixture
def stripe(settings):
    """A local provider that took 59.98 by `INTENT`."""
    with running(api_key=API_KEY) as provider:
        settings.STRIPE_API_BASE = provider.url
        provider.add_paid_intent(INTENT, 5998)
        yield provider


@pytest.fixture
def due(api, order) -> Payment:
    """Money for an order that was cancelled before it came."""
    orders.cancel(order.pk)
    assert outcome(send(api, event("payment_intent.succeeded", intent(order)))) == "applied"
    return Payment.objects.get()


@pytest.fixture
def provider(settings):
    """A local provider at which the shop makes payments, in a deployment as in local mode."""
    with running(api_key="sk_test_local", requests_per_second=10_000) as local:
        settings.STRIPE_API_BASE = local.url
        settings.STRIPE_API_KEY, settings.STRIPE_PUBLISHABLE_KEY = "sk_test_local", "pk_test_local"
        settings.STRIPE_LIVEMODE = False
        settings.SHOP_ID, settings.SHOP_MAKES_PAYMENTS = "shop-1", True
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_local"]
        settings.STRIPE_REQUESTS_PER_SECOND = 1_000
        yield local
