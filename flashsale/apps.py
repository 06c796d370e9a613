"""The project as a Django app: signal receivers for heartbeats, metrics, accounts, sessions, migrations and roles."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate, pre_delete, pre_migrate

from flashsale.staff.roles import create_roles


class SaleAdminConfig(AdminConfig):
    default_site = "flashsale.staff.site.SaleAdminSite"


class FlashsaleConfig(AppConfig):
    name = "flashsale"

    def ready(self) -> None:
        from django.contrib.auth.models import User

        from flashsale.core.connections import database_timeouts
        from flashsale.observability import heartbeat, prometheus
        from flashsale.staff import deleted_accounts, names
        from flashsale.staff.logins import sessions

        database_timeouts.register()
        heartbeat.register()
        prometheus.register()
        if settings.SENTRY_DSN:
            from flashsale.observability.error_reports import reporting

            reporting.register()
        names.rename()
        pre_delete.connect(
            deleted_accounts.reassign_before_delete, sender=User, dispatch_uid="flashsale.reassign_before_delete"
        )
        user_logged_in.connect(sessions.start_timers, dispatch_uid="flashsale.begin_session")
        pre_migrate.connect(_lift_statement_timeout, sender=self, dispatch_uid="flashsale.lift_statement_timeout")
        # This app is the last one: the permissions of all others exist by now.
        post_migrate.connect(create_roles, sender=self, dispatch_uid="flashsale.create_roles")


def _lift_statement_timeout(using: str, **kwargs) -> None:
    """Lift the statement timeout of this connection: building an index may take long. The lock timeout stays."""
    from django.db import connections

    with connections[using].cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
