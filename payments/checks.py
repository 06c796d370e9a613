"""What `manage.py check --deploy` says about payments."""

from django.conf import settings
from django.core.checks import CheckMessage, Error


def webhooks_can_be_verified(app_configs, **kwargs) -> list[CheckMessage]:
    """An error where no provider's events could be verified, because then all of them are refused."""
    if settings.STANDARD_WEBHOOK_KEYS or settings.STRIPE_WEBHOOK_SECRETS:
        return []
    return [
        Error(
            "No webhook secret is configured: every payment event will be refused.",
            hint="Set STANDARD_WEBHOOK_SECRETS or STRIPE_WEBHOOK_SECRETS.",
            id="payments.E001",
        )
    ]
