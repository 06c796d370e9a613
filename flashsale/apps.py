"""The project as an app: its commands, the beat's defaults, workers' signs of life, longer timeouts for migrations."""

from django.apps import AppConfig
from django.db.models.signals import pre_migrate


class FlashsaleConfig(AppConfig):
    name = "flashsale"

    def ready(self) -> None:
        from flashsale import heartbeat

        heartbeat.register()
        pre_migrate.connect(_let_migrations_run, sender=self, dispatch_uid="flashsale.let_migrations_run")


def _let_migrations_run(using: str, **kwargs) -> None:
    """Lift the statement timeout of this connection: building an index may take long. The lock timeout stays."""
    from django.db import connections

    with connections[using].cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
