"""From events to the pages of what they are about, and back: apps above this one register their models."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flashsale.core.staff.links import link_to
from flashsale.outbox import resources
from flashsale.outbox.models import Event


def rows_of(events: Iterable[Event]) -> Mapping[int, Model | None]:
    """Return the row that each event is about, by sequence; None where there is none any more.

    There is one query for each kind of resource.
    """
    ids: dict[str, dict[int, str]] = {}
    for event in events:
        ids.setdefault(event.resource, {})[event.pk] = event.resource_id
    found: dict[int, Model | None] = {}
    for name, of_events in ids.items():
        rows = _read(name, of_events.values())
        found |= {sequence: rows.get(row_id) for sequence, row_id in of_events.items()}
    return found


def events_about(row: Model) -> SafeString:
    """Return a link to the list of the events about a row."""
    path, query = reverse("admin:outbox_event_changelist"), urlencode({"q": str(row.pk)})
    return format_html('<a class="text-link" href="{}?{}">Events about it</a>', path, query)


def link_of(event: Event, row: Model | None) -> str:
    """Return a link to the page of an event's resource, or its kind and id where it has none."""
    kind = event.resource.replace("_", " ").capitalize()
    if row is None or not admin.site.is_registered(type(row)):
        return f"{kind} {event.resource_id}"
    return link_to(row)


def _read(name: str, ids: Iterable[str]) -> dict[str, Model]:
    """Return the rows with these ids, as their list in the admin reads them; none of an unknown resource."""
    try:
        model = resources.get(name).rows().model
        keys = [model._meta.pk.to_python(one) for one in ids]
    except (KeyError, ValidationError):
        return {}
    related: Any = admin.site.get_model_admin(model).list_select_related if admin.site.is_registered(model) else ()
    rows = model._base_manager.filter(pk__in=keys)
    rows = rows.select_related(*related) if isinstance(related, tuple | list) and related else rows
    return {str(row.pk): row for row in rows}
