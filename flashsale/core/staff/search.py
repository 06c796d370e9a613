"""Search in lists of big tables: each look-up uses an index, none reads the whole table.

Django's own search compares with `LIKE '%...%'`, which no index answers.
"""

import itertools
from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from flashsale.core.identifiers import uuid_range
from flashsale.core.staff.theme import ModelAdminMixin

MAX_FOUND = 1_000
MAX_LENGTH = 255


def has_uuid(text: str, column: str = "pk") -> Q | None:
    """Return the condition that a UUID is, or begins with, the one in `text`; None when there is none.

    Takes a whole id, its first eight digits or more, and the names of holds and orders, which begin with them.
    """
    bounds = uuid_range(text.partition(",")[0].strip())
    return None if bounds is None else Q(**{f"{column}__gte": bounds[0], f"{column}__lte": bounds[1]})


class IndexedSearchMixin(ModelAdminMixin):
    """A list whose search is answered by `look_ups`; `search_fields` are only what the box names."""

    def look_ups(self, text: str) -> Iterable[QuerySet[Any]]:
        """Yield querysets of this model whose rows match, the most exact first; each is answered by an index."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows of `queryset` that the look-ups find, at most `MAX_FOUND`; all rows without a term."""
        text = search_term.strip()
        if not text:
            return queryset, False
        return queryset.filter(pk__in=self._found(text)), False

    def _found(self, text: str) -> list[Any]:
        """Return the primary keys of the rows that match."""
        if len(text) > MAX_LENGTH or "\x00" in text:
            return []
        keys = itertools.chain.from_iterable(
            rows.order_by().values_list("pk", flat=True)[:MAX_FOUND] for rows in self.look_ups(text)
        )
        return list(itertools.islice(keys, MAX_FOUND))
