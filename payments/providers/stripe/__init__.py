"""Stripe: its webhooks, and refunds through its API."""

from payments.providers.stripe.refunds import StripeRefunds
from payments.providers.stripe.webhooks import StripeProvider

__all__ = ["StripeProvider", "StripeRefunds"]
