"""Roles of staff: groups that are created once, after the first migration, when their permissions exist.

Later changes by staff, deletion included, are kept; permissions that a later version adds are added once.
"""

from typing import Any

from django.apps import apps as current_apps
from django.apps.registry import Apps

VIEWED = (
    "catalog.product", "catalog.stock", "catalog.stockadjustment", "checkout.hold", "checkout.order",
    "payments.webhookevent", "payments.payment", "payments.paymentattempt", "payments.refund", "payments.dispute",
    "outbox.endpoint", "outbox.delivery", "outbox.event", "admin.logentry",
)  # fmt: skip
SCHEDULED = tuple(f"django_celery_beat.{name}" for name in ("periodictask", "intervalschedule", "crontabschedule"))

VIEWER = frozenset(f"{label.replace('.', '.view_')}" for label in VIEWED)
# Handles a running sale: pauses it, releases holds, cancels orders, decides events to review.
OPERATOR = VIEWER | {
    "catalog.pause_product", "checkout.change_hold", "checkout.change_order", "payments.change_webhookevent",
    "payments.change_payment",
}  # fmt: skip
ENDPOINTS_MANAGED = {f"outbox.{verb}_endpoint" for verb in ("add", "change", "delete")} | {"outbox.change_delivery"}
# Also decides what is sold, how much of it, which clients may call the API, and where events are sent.
MANAGER = (
    OPERATOR
    | {"catalog.add_product", "catalog.change_product", "catalog.add_stockadjustment"}
    | {"flashsale.view_loginfailure", "flashsale.delete_loginfailure"}
    | {"otp_totp.view_totpdevice", "otp_totp.delete_totpdevice"}
    | {f"rest_framework_api_key.{verb}_apikey" for verb in ("view", "add", "change")}
    | ENDPOINTS_MANAGED
    | {label.replace(".", f".{verb}_") for verb in ("view", "change") for label in SCHEDULED}
)
ROLES = {"viewer": VIEWER, "operator": OPERATOR, "manager": MANAGER}
# Permissions added to existing roles, once: a name for the step, the roles, the permissions.
ADDED_LATER = {
    "disputes": (tuple(ROLES), {"payments.view_dispute"}),
    "payment attempts": (tuple(ROLES), {"payments.view_paymentattempt"}),
    "events and deliveries": (tuple(ROLES), {"outbox.view_endpoint", "outbox.view_delivery", "outbox.view_event"}),
    "webhook endpoints": (("manager",), ENDPOINTS_MANAGED),
    "failed log-ins": (("manager",), {"flashsale.view_loginfailure", "flashsale.delete_loginfailure"}),
    "two-factor devices": (("manager",), {"otp_totp.view_totpdevice", "otp_totp.delete_totpdevice"}),
}


def create_roles(using: str, apps: Apps = current_apps, **_: Any) -> None:
    """Create the groups that were not created before (a `post_migrate` receiver)."""
    try:
        roles_made, groups, permissions = (
            apps.get_model(label).objects.using(using)
            for label in ("flashsale.RolesMade", "auth.Group", "auth.Permission")
        )
    except LookupError:
        # Migrated back to a version without roles.
        return
    by_label = {f"{p.content_type.app_label}.{p.codename}": p for p in permissions.select_related("content_type")}
    for name, labels in ROLES.items():
        if roles_made.get_or_create(name=name)[1]:
            groups.get_or_create(name=name)[0].permissions.add(*(by_label[label] for label in labels))
    for step, (roles, labels) in ADDED_LATER.items():
        if roles_made.get_or_create(name=step)[1]:
            for group in groups.filter(name__in=roles):
                group.permissions.add(*(by_label[label] for label in labels))
