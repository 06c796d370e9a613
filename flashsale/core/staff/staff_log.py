"""What staff did to rows, as the admin's log has it."""

from collections.abc import Iterable

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q


def entries_about(rows: Iterable[Model]) -> list[LogEntry]:
    """Return the log's entries about these rows with their users, the oldest first."""
    keys: dict[type[Model], set[str]] = {}
    for row in rows:
        keys.setdefault(type(row), set()).add(str(row.pk))
    if not keys:
        return []
    content_types = ContentType.objects.get_for_models(*keys)
    about = Q(pk__in=[])
    for model, content_type in content_types.items():
        about |= Q(content_type=content_type, object_id__in=keys[model])
    return list(LogEntry.objects.filter(about).select_related("user", "content_type").order_by("action_time", "pk"))
