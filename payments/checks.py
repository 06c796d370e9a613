"""What `manage.py check --deploy` says about payments."""

from typing import Any

from django.core.checks import CheckMessage, Error

from payments.providers import PROVIDERS


def webhooks_can_be_verified(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error when no provider has a webhook secret, because then all events are refused."""
    providers = PROVIDERS.values()
    if any(provider.has_secrets() for provider in providers):
        return []
    return [
        Error(
            "No webhook secret is configured: every payment event will be refused.",
            hint=f"Set {' or '.join(provider.secrets_variable for provider in providers)}.",
            id="payments.E001",
        )
    ]
