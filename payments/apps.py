from django.apps import AppConfig
from django.core.checks import Tags, register


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from checkout import order_story as story
        from checkout import orders
        from payments import checks, inbox, order_story

        orders.register_creation_hook(inbox.early_events_query)
        story.register(order_story.story_of)
        register(checks.webhooks_can_be_verified, Tags.security, deploy=True)
