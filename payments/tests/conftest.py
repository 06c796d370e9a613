"""Fixtures for refunds: live mode, a Stripe of one's own, and money that is due."""

import pytest

from checkout import audit, orders
from flashsale.tests.support.processes import WAIT_SECONDS
from payments.models import Payment
from payments.providers import stripe_refunds
from payments.tests.support.stripe_server import API_KEY, stripe_server
from payments.tests.test_stripe import INTENT, event, intent, outcome, send


@pytest.fixture
def live(settings, monkeypatch, db):
    """Live mode with automatic refunds, and right books afterwards."""
    settings.LOCAL_MODE = False
    settings.SECURE_SSL_REDIRECT = False
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new0000000000000000000000000000"]
    settings.STRIPE_LIVEMODE = settings.STRIPE_AUTO_REFUND = True
    settings.STRIPE_API_KEY = API_KEY
    monkeypatch.setattr(stripe_refunds, "READ_TIMEOUT_SECONDS", WAIT_SECONDS)
    yield
    assert audit.find_drift() == []


@pytest.fixture
def stripe(settings):
    """Stripe, which took 59.98 by `INTENT`."""
    with stripe_server() as server:
        settings.STRIPE_API_BASE = server.url
        server.charges[INTENT] = [5998, 0]
        yield server


@pytest.fixture
def due(api, order) -> Payment:
    """Money for an order that was cancelled before it came."""
    orders.cancel(order.pk)
    assert outcome(send(api, event("payment_intent.succeeded", intent(order)))) == "applied"
    return Payment.objects.get()
