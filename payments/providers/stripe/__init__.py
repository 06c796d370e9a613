"""Stripe: its webhooks, and payments and refunds through its API."""

from payments.providers.stripe.payments import StripePayments
from payments.providers.stripe.refunds import StripeRefunds
from payments.providers.stripe.webhooks import StripeProvider

__all__ = ["StripePayments", "StripeProvider", "StripeRefunds"]
