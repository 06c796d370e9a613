"""What the admin pages of several apps share."""

from collections.abc import Callable

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from flashsale.core import money


def money_column(column: str) -> Callable[[Model], str]:
    """Return a list column that shows an amount with its currency's decimals, and the currency."""

    @admin.display(description=column.replace("_", " "), ordering=column)
    def show(row: Model) -> str:
        return f"{money.render(getattr(row, column), row.currency)} {row.currency}"

    return show


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that staff look at and the domain changes: nothing can be added, edited or deleted here."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj=None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj=None) -> bool:
        return False
