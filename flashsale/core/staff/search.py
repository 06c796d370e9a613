"""Search in lists of big tables: each look-up uses an index, none reads the whole table.

Django's own search compares with `LIKE '%...%'`, which no index answers.
"""

import itertools
import operator
from collections.abc import Iterable
from functools import reduce
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

    def look_ups(self, text: str) -> Iterable[QuerySet[Any] | Q]:
        """Yield what matches, the most exact first; each is answered by an index.

        A queryset of this model has at most `MAX_FOUND` rows. A condition may match any number of rows, such as all of
        a customer; its index has the list's order behind the column, so that one page is read and not all that match.
        """
        raise NotImplementedError

    def names(self, text: str) -> Iterable[Q]:
        """Yield conditions that are less exact, such as a part of a name; used when no look-up finds anything."""
        return ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows of `queryset` that the look-ups find; all rows without a term."""
        text = search_term.strip()
        if not text:
            return queryset, False
        if len(text) > MAX_LENGTH or "\x00" in text:
            return queryset.none(), False
        matching = self._matching(self.look_ups(text)) or self._matching(self.names(text))
        return queryset.filter(reduce(operator.or_, matching, Q(pk__in=[]))), False

    def _matching(self, look_ups: Iterable[QuerySet[Any] | Q]) -> list[Q]:
        """Return the conditions that match at least one row."""
        found = list(look_ups)
        small = [one for one in found if not isinstance(one, Q)]
        keys = itertools.chain.from_iterable(rows.order_by().values_list("pk", flat=True)[:MAX_FOUND] for rows in small)
        named = list(itertools.islice(keys, MAX_FOUND))
        manager = self.model._default_manager
        conditions = [one for one in found if isinstance(one, Q) and manager.filter(one).exists()]
        return [*conditions, Q(pk__in=named)] if named else conditions
