"""The admin's first page: what is on sale, money, the last hour, and what needs a human decision.

The figures are cached for two seconds, so that many open pages cost a few queries; rows older than some minutes are
counted twice a minute (`activity`).
"""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from checkout.waiting_room import figures as figures_of_queues
from flashsale.staff.dashboard import activity, attention, sales, takings
from flashsale.staff.dashboard.permissions import (
    PAUSE_PRODUCT,
    PERMISSIONS_OF_PART,
    PERMISSIONS_OF_SERIES,
    VIEW_HOLD,
    VIEW_ORDER,
)

CACHE_SECONDS = 2


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the figures to the page's context (unfold's `DASHBOARD_CALLBACK`)."""
    return context | figures(request.user)


def figures(user: User) -> dict[str, Any]:
    """Return the figures that this member of staff may see, at most `CACHE_SECONDS` old.

    Each part needs the permission to view the models that it is counted from. Without it the part is missing, or an
    empty list. `server_ms` is the server's present time, in milliseconds since the epoch.
    """
    parts = cache.get_or_set("dashboard", _figures, CACHE_SECONDS)
    visible = {name: part for name, part in parts.items() if user.has_perms(PERMISSIONS_OF_PART.get(name, ()))}
    if "sales" in visible:
        visible["sales"] = [_permitted(sale, user) for sale in parts["sales"]]
    visible["attention"] = attention.permitted(parts["attention"], user)
    visible["is_all_clear"] = all(item["n"] == 0 for item in visible["attention"])
    visible["steps"] = [_permitted_step(step, user) for step in parts["steps"] if user.has_perm(step["permission"])]
    visible["may_see_steps"] = user.has_perm(VIEW_HOLD) or user.has_perm(VIEW_ORDER)
    visible["chart"] = _permitted_chart(parts["chart"], user)
    visible["has_parts"] = bool(visible["attention"] or visible["chart"] or PERMISSIONS_OF_PART.keys() & visible.keys())
    return visible | {"server_ms": int(1000 * time.time()), "zone": settings.TIME_ZONE}


def _figures() -> dict[str, Any]:
    now = int(time.time())
    recent, money = activity.read(now), takings.read(now)
    queues = {queue.product_id: queue for queue in figures_of_queues.in_progress()}
    return {
        "as_of": timezone.localtime(),
        "sales": sales.on_sale(money.of_products, queues),
        "more_sales": sales.count_more(),
        "next_sale": {"product": sales.next_one(queues)},
        "attention": attention.items(),
        "money": money.rows,
        "steps": recent.conversion(),
        "chart": {"zone": settings.TIME_ZONE, "ranges": recent.ranges()},
    }


def _permitted(sale: dict[str, Any], user: User) -> dict[str, Any]:
    """Return one sale without its money and its button where the user may not have them."""
    hidden = {} if user.has_perm(VIEW_ORDER) else {"taken": []}
    return sale | hidden | ({} if user.has_perm(PAUSE_PRODUCT) else {"act_url": ""})


def _permitted_step(step: dict[str, Any], user: User) -> dict[str, Any]:
    return step if user.has_perm(step.get("note_permission", step["permission"])) else step | {"note": ""}


def _permitted_chart(chart: dict[str, Any], user: User) -> dict[str, Any] | None:
    names = [name for name, permission in PERMISSIONS_OF_SERIES.items() if user.has_perm(permission)]
    if not names:
        return None
    ranges = {
        name: {"labels": one["labels"], "series": {series: one["series"][series] for series in names}}
        for name, one in chart["ranges"].items()
    }
    return chart | {"ranges": ranges}
