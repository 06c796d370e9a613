"""Roles of staff: groups that are made once, after the first migration, when the permissions they need exist.

What staff change about a group afterwards, or that they deleted it, stays as they left it; what is new in a later
version is added to the groups once.
"""

from typing import Any

from django.apps import apps as present_apps
from django.apps.registry import Apps

VIEWED = (
    "catalog.product", "catalog.stock", "catalog.stockadjustment", "checkout.hold", "checkout.order",
    "payments.webhookevent", "payments.payment", "payments.refund", "payments.dispute", "admin.logentry",
)  # fmt: skip
SCHEDULED = tuple(f"django_celery_beat.{name}" for name in ("periodictask", "intervalschedule", "crontabschedule"))

VIEWER = frozenset(f"{label.replace('.', '.view_')}" for label in VIEWED)
# Who puts a running sale right: pause it, take holds and orders back, settle what providers said.
OPERATOR = VIEWER | {
    "catalog.pause_product", "checkout.change_hold", "checkout.change_order", "payments.change_webhookevent",
    "payments.change_payment",
}  # fmt: skip
# Who also decides what is sold, how much of it, and who may call the API.
MANAGER = (
    OPERATOR
    | {"catalog.add_product", "catalog.change_product", "catalog.add_stockadjustment"}
    | {"flashsale.view_loginfailure", "flashsale.delete_loginfailure"}
    | {f"rest_framework_api_key.{verb}_apikey" for verb in ("view", "add", "change")}
    | {label.replace(".", f".{verb}_") for verb in ("view", "change") for label in SCHEDULED}
)
ROLES = {"viewer": VIEWER, "operator": OPERATOR, "manager": MANAGER}
# What roles that were made before got later, once: what it is about, which roles, which permissions.
ADDED_LATER = {
    "disputes": (tuple(ROLES), {"payments.view_dispute"}),
    "failed log-ins": (("manager",), {"flashsale.view_loginfailure", "flashsale.delete_loginfailure"}),
}


def make_roles(using: str, apps: Apps = present_apps, **_: Any) -> None:
    """Make the groups unless that was done before (a `post_migrate` receiver)."""
    try:
        made, groups, permissions = (
            apps.get_model(label).objects.using(using)
            for label in ("flashsale.RolesMade", "auth.Group", "auth.Permission")
        )
    except LookupError:
        # Migrated to a time before there were roles.
        return
    everything = {f"{p.content_type.app_label}.{p.codename}": p for p in permissions.select_related("content_type")}
    for name, wanted in ROLES.items():
        if made.get_or_create(name=name)[1]:
            groups.get_or_create(name=name)[0].permissions.add(*(everything[codename] for codename in wanted))
    for step, (roles, wanted) in ADDED_LATER.items():
        if made.get_or_create(name=step)[1]:
            for group in groups.filter(name__in=roles):
                group.permissions.add(*(everything[codename] for codename in wanted))
