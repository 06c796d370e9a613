"""Lists of tables that may have a million rows: pages without a count of all."""

from typing import Any, Self

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from flashsale.core.staff.confirmed_actions import ReadOnlyAdmin
from flashsale.core.staff.theme import InfinitePaginator


class LowerBound(int):
    """A number of rows that were counted in part: an int so large that every page exists, shown as "more than N"."""

    counted: int

    @classmethod
    def of(cls, counted: int, *, as_if: int) -> Self:
        """Return the number of more than `counted` rows, with the value `as_if`."""
        number = cls(as_if)
        number.counted = counted
        return number

    def __str__(self) -> str:
        return f"more than {self.counted:,}"

    __repr__ = __str__

    def __format__(self, _spec: str) -> str:
        return str(self)


class CappedPaginator(InfinitePaginator):
    """Counts to `MAX_COUNTED` and no further; later pages are reached one by one."""

    MAX_COUNTED = 10_000
    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        counted = self.object_list.order_by()[: self.MAX_COUNTED + 1].count()
        return counted if counted <= self.MAX_COUNTED else LowerBound.of(self.MAX_COUNTED, as_if=super().count)


class BigTableAdmin(ReadOnlyAdmin):
    """Rows of which there may be a million; they are sorted by the columns of `ordering` only, which have an index."""

    paginator = CappedPaginator

    def get_sortable_by(self, request: HttpRequest) -> list[Any]:
        indexed = {str(column).removeprefix("-") for column in self.ordering or ()}
        return [column for column in self.get_list_display(request) if self._sorts_by(column) in indexed]

    def _sorts_by(self, column: Any) -> str | None:
        """Return the database's column by which a column of the list sorts."""
        shown = column if callable(column) else getattr(self, column, None)
        return column if shown is None else getattr(shown, "admin_order_field", None)
