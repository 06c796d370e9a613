"""Columns of facts about a list's rows, which are read for all rows of the page at once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import HttpRequest

from flashsale.core.staff.model_admin import ValidatingChangeList
from flashsale.core.staff.theme import ChangeList, ModelAdminMixin


@dataclass(frozen=True, eq=False)
class FactColumn:
    """A list's column: `show(fact)` of the fact about a row, under a heading; sorted by `admin_order_field`."""

    short_description: str
    show: Callable[[Any], Any]
    admin_order_field: str | None = None
    facts: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def __name__(self) -> str:
        return self.short_description.lower().replace(" ", "_")

    def __call__(self, row: Any) -> Any:
        return self.show(self.facts[row.pk])


class FactsChangeList(ValidatingChangeList):
    """A list that gives its columns of facts what they show."""

    model_admin: "FactsMixin"

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = self.result_list = list(self.result_list)
        facts = self.model_admin.facts_about(rows)
        self.list_display = [
            replace(column, facts=facts) if isinstance(column, FactColumn) else column for column in self.list_display
        ]


class FactsMixin(ModelAdminMixin):
    """A list whose `list_display` has columns of facts, read by `facts_about`."""

    def facts_about(self, rows: Iterable[Any]) -> Mapping[Any, Any]:
        """Return the facts about these rows, by primary key, with a bounded number of queries."""
        raise NotImplementedError

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FactsChangeList
