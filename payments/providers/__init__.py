"""The payment providers: a new one is a module beside this file and a line here."""

from payments.providers.base import Provider, RefundClient
from payments.providers.payment_client import PaymentClient
from payments.providers.standard import StandardProvider
from payments.providers.stripe import StripePayments, StripeProvider, StripeRefunds

_providers: tuple[Provider, ...] = (
    StandardProvider(),
    StripeProvider(),
)
PROVIDERS = {provider.name: provider for provider in _providers}
# This one also receives its events at `/payments/webhook`.
DEFAULT_PROVIDER = StandardProvider.name
# The providers whose API can refund.
REFUND_CLIENTS: dict[str, RefundClient] = {StripeProvider.name: StripeRefunds()}
# The providers at which the shop can make payments itself.
PAYMENT_CLIENTS: dict[str, PaymentClient] = {StripeProvider.name: StripePayments()}
