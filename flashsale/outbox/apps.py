from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "flashsale.outbox"

    def ready(self) -> None:
        from flashsale.outbox import numbering
        from flashsale.outbox.deliveries import making

        numbering.register_follower(making.statements)
