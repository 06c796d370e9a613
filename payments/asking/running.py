"""What the periodic tasks do: they ask every provider at which the shop makes payments, and log what fails."""

import logging

from payments.asking.comparing import compare
from payments.asking.cursors import SweepUnderWay
from payments.asking.sweeping import sweep
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import ListingFailed

log = logging.getLogger(__name__)


def providers() -> list[str]:
    """Return the providers at which this deployment makes payments."""
    return [name for name, client in PAYMENT_CLIENTS.items() if client.is_enabled()]


def sweep_all() -> None:
    """Read the events of every provider; nothing is done where another process does so."""
    for provider in providers():
        try:
            sweep(provider)
        except SweepUnderWay:
            log.info("the events of %s are read by another process", provider)
        except ListingFailed as error:
            log.warning("the events of %s could not be read, and will be read again: %s", provider, error)


def compare_all() -> None:
    """Compare the payments of every provider with ours."""
    for provider in providers():
        try:
            compare(provider)
        except ListingFailed as error:
            log.warning("the payments of %s could not be compared: %s", provider, error)
