"""The recorded versions of products: who changed what and when, and what changed since a page was opened.

Triggers record a version of each change, also of those made outside this program.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import OuterRef, Subquery

from catalog.models import Product
from flashsale.core import acting

MAX_SHOWN = 100


@dataclass(frozen=True)
class FieldChange:
    """One column of a product before and after."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """One change of a product: when, by which account or token ("": neither), its columns, and its currency after."""

    at: datetime
    by: str
    fields: list[FieldChange]
    currency: str


def newest_number() -> Subquery:
    """Return an expression for the number of a product's newest version; read with the product, it is of its values."""
    return Subquery(_versions().filter(pgh_obj_id=OuterRef("pk")).order_by("-pgh_id").values("pgh_id")[:1])


def changes_of(product: Product) -> list[Change]:
    """Return the newest changes of a product, at most `MAX_SHOWN`, newest first."""
    newest = _versions().filter(pgh_obj_id=product.pk).select_related("pgh_context").order_by("-pgh_id")
    return _changes(list(newest[: MAX_SHOWN + 1])[::-1])[::-1]


def changed_since(product_id: int, number: int, *, columns: Iterable[str]) -> list[tuple[Change, FieldChange]]:
    """Return for each of these columns that differs from version `number` its newest change, with the old value.

    The caller has locked the product, so that no other change follows.
    """
    later = _versions().filter(pgh_obj_id=product_id, pgh_id__gte=number).select_related("pgh_context")
    versions = list(later.order_by("pgh_id"))
    if len(versions) < 2:
        return []
    changed = {field.name: field for field in _differences(versions[0], versions[-1], columns)}
    newest = {field.name: change for change in _changes(versions) for field in change.fields}
    return [(newest[name], field) for name, field in changed.items()]


def _versions() -> Any:
    return Product.events.rel.related_model.objects  # type: ignore[attr-defined]  # what pghistory.track adds


def _changes(versions: Sequence[Any]) -> list[Change]:
    """Return the change from each version to the next."""
    contexts = [version.pgh_context.metadata if version.pgh_context else {} for version in versions]
    accounts = get_user_model().objects.in_bulk({context["user"] for context in contexts if context.get("user")})
    changes = []
    for before, after, context in zip(versions, versions[1:], contexts[1:], strict=False):
        user = context.get("user")
        account = accounts.get(user, f"deleted account {user}") if user else None
        by = acting.author(account, context.get(acting.HISTORY_KEY, ""))
        changes.append(Change(after.pgh_created_at, by, _differences(before, after, _tracked(after)), after.currency))
    return changes


def _tracked(version: Any) -> list[str]:
    return [field.name for field in version._meta.fields if not field.name.startswith("pgh_")]


def _differences(before: Any, after: Any, columns: Iterable[str]) -> list[FieldChange]:
    pairs = [FieldChange(name, getattr(before, name), getattr(after, name)) for name in columns]
    return [pair for pair in pairs if pair.before != pair.after]
