"""The payment providers this shop understands: a new one is a module beside this file and a line here."""

from payments.providers.base import Provider, RefundClient
from payments.providers.standard import StandardProvider
from payments.providers.stripe import StripeProvider
from payments.providers.stripe_refunds import StripeRefunds

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (StandardProvider(), StripeProvider())}
# Those whose API can give money back.
REFUND_CLIENTS: dict[str, RefundClient] = {StripeProvider.name: StripeRefunds()}
