"""Attempts to pay that are in no database, for tests of the provider's client."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from django.utils import timezone

from catalog.models import Product
from checkout.models import Order
from payments.models import PaymentAttempt

API_KEY = "sk_test_local"
SHOP = "lamps.example"
SECONDS = 10.0


def new_attempt(kind: str = "payment_intent", *, price: str = "29.99", currency: str = "USD", **members):
    """Return an attempt to pay two units of a lamp."""
    order = Order(
        id=uuid4(),
        hold_id=uuid4(),
        product=Product(name="Lamp <b>"),
        quantity=2,
        unit_price=Decimal(price),
        total_amount=2 * Decimal(price),
        currency=currency,
    )
    now = timezone.now()
    attempt = {
        "number": 1,
        "provider": "stripe",
        "shop_id": SHOP,
        "amount": order.total_amount,
        "currency": currency,
        "return_url": "https://shop.example/back?order=1",
        "created_at": now,
        "key_used_at": now,
        "pay_until": now + timedelta(minutes=14),
    }
    return PaymentAttempt(order=order, kind=kind, **attempt | members)


def use_stripe_at(url: str, settings, *, mode: str = "intent") -> None:
    """Let the shop make payments through the server at `url`."""
    settings.STRIPE_API_BASE, settings.STRIPE_API_KEY, settings.SHOP_ID = url, API_KEY, SHOP
    settings.SHOP_MAKES_PAYMENTS, settings.STRIPE_PAYMENT_MODE, settings.STRIPE_LIVEMODE = True, mode, False
