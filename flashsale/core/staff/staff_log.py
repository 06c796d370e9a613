"""What staff, and API tokens of the back office, did to rows: the admin's log and the tokens' as one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q

from flashsale.core import acting
from flashsale.core.submissions.models import TokenAction


@dataclass(frozen=True)
class Entry:
    """What was done to a row, when, and by whom: a member of staff or an API token."""

    at: datetime
    by: str
    text: str
    row_id: str


def entries_about(rows: Iterable[Model]) -> list[Entry]:
    """Return what was done to these rows, the oldest first."""
    keys: dict[type[Model], set[str]] = {}
    for row in rows:
        keys.setdefault(type(row), set()).add(str(row.pk))
    if not keys:
        return []
    return sorted([*_by_staff(keys), *_by_tokens(keys)], key=lambda entry: entry.at)


def _by_staff(keys: dict[type[Model], set[str]]) -> Iterable[Entry]:
    content_types = ContentType.objects.get_for_models(*keys)
    about = Q(pk__in=[])
    for model, content_type in content_types.items():
        about |= Q(content_type=content_type, object_id__in=keys[model])
    entries = LogEntry.objects.filter(about).select_related("user", "content_type").order_by("action_time", "pk")
    return (Entry(one.action_time, str(one.user), one.get_change_message(), str(one.object_id)) for one in entries)


def _by_tokens(keys: dict[type[Model], set[str]]) -> Iterable[Entry]:
    about = Q(pk__in=[])
    for model, row_ids in keys.items():
        about |= Q(model=model._meta.label_lower, row_id__in=row_ids)
    actions = TokenAction.objects.filter(about).order_by("made_at", "pk")
    return (Entry(one.made_at, acting.in_words(one.token_name), one.text, one.row_id) for one in actions)
