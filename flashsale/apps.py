"""The project as an app: its commands, the beat's defaults, workers' signs of life, longer timeouts for migrations."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate, pre_delete, pre_migrate

from flashsale.staff.roles import make_roles


class SaleAdminConfig(AdminConfig):
    default_site = "flashsale.staff.site.SaleAdminSite"


class FlashsaleConfig(AppConfig):
    name = "flashsale"

    def ready(self) -> None:
        from django.contrib.auth.models import User

        from flashsale.core.configuration import database_timeouts
        from flashsale.observability import heartbeat, prometheus
        from flashsale.staff import deleted_accounts
        from flashsale.staff.logins import sessions

        database_timeouts.register()
        heartbeat.register()
        prometheus.register()
        pre_delete.connect(deleted_accounts.keep_history, sender=User, dispatch_uid="flashsale.keep_history")
        user_logged_in.connect(sessions.begin, dispatch_uid="flashsale.begin_session")
        pre_migrate.connect(_let_migrations_run, sender=self, dispatch_uid="flashsale.let_migrations_run")
        # The last app's turn: the permissions of all others exist by now.
        post_migrate.connect(make_roles, sender=self, dispatch_uid="flashsale.make_roles")


def _let_migrations_run(using: str, **kwargs) -> None:
    """Lift the statement timeout of this connection: building an index may take long. The lock timeout stays."""
    from django.db import connections

    with connections[using].cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
