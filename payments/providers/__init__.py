"""The payment providers: a new one is a module beside this file and a line here."""

from payments.providers.base import Provider, RefundClient
from payments.providers.standard import StandardProvider
from payments.providers.stripe import StripeProvider, StripeRefunds

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (StandardProvider(), StripeProvider())}
# This one also receives its events at `/payments/webhook`.
DEFAULT_PROVIDER = StandardProvider.name
# The providers whose API can refund.
REFUND_CLIENTS: dict[str, RefundClient] = {StripeProvider.name: StripeRefunds()}
