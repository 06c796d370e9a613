"""A provider on a free port, and Stripe's own library as its client."""

import pytest
import stripe as stripe_library

from flashsale.local_provider.running import running

KEY = "sk_test_local"


@pytest.fixture(scope="module")
def shared_provider():
    with running(api_key=KEY, requests_per_second=10_000) as provider:
        yield provider


@pytest.fixture
def provider(shared_provider):
    """A provider that behaves well; tests of a module share its objects."""
    shared_provider.set_habits()
    shared_provider.take_webhooks()
    yield shared_provider
    shared_provider.set_habits()


@pytest.fixture
def client_of():
    """Returns a function that makes a client without automatic retries."""

    def client_of(url: str, key: str = KEY) -> stripe_library.StripeClient:
        return stripe_library.StripeClient(key, base_addresses={"api": url}, max_network_retries=0)

    return client_of


@pytest.fixture
def stripe(provider, client_of):
    return client_of(provider.url).v1


@pytest.fixture
def intent(stripe):
    return stripe.payment_intents.create(
        {
            "amount": 5998,
            "currency": "usd",
            "metadata": {"order_id": "o1", "shop_id": "shop-7"},
            "automatic_payment_methods": {"enabled": True},
        }
    )


@pytest.fixture
def new_session(stripe):
    """Returns a function that creates a session over 59.98 USD."""

    def new_session(**members):
        price = {"currency": "usd", "unit_amount": 2999, "product_data": {"name": "Lamp <b>"}}
        return stripe.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [{"quantity": 2, "price_data": price}],
                "success_url": "http://127.0.0.1:9/paid?session={CHECKOUT_SESSION_ID}",
                "cancel_url": "http://127.0.0.1:9/back",
                "payment_intent_data": {"metadata": {"order_id": "o1"}},
            }
            | members
        )

    return new_session
