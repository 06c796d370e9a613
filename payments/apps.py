from django.apps import AppConfig
from django.core.checks import Tags, register


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from checkout import orders
        from payments import checks, inbox

        orders.register_creation_hook(inbox.lock_early_events)
        register(checks.webhooks_can_be_verified, Tags.security, deploy=True)
