"""What every admin page has in common: strict input, and lists that accept any query string."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet, PermissionDenied, ValidationError
from django.db.models import DateTimeField, Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from flashsale.core import moments
from flashsale.core.staff.add_forms import IdempotentAddMixin
from flashsale.core.staff.theme import ChangeList, ModelAdmin
from flashsale.core.staff.zoned_times import ZonedTimeField, ZonedTimeWidget
from flashsale.core.submissions import token_actions

# Of a row, on the page of its history.
MOST_TOKEN_ACTIONS = 100


def staff_of(request: HttpRequest) -> User:
    """Return the member of staff who is logged in. Raises `PermissionDenied`: the admin's site refuses all others."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class ValidatingChangeList(ChangeList):
    """A list that checks before it is rendered whether a filter has an impossible value, and ignores such a filter."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        try:
            # Some values, such as a year that Python does not have, fail only when the statement is compiled.
            rows.query.get_compiler(rows.db).as_sql()
        except EmptyResultSet:
            pass
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
        return rows

    @property
    def first_number(self) -> int:
        """The number of the page's first row among all that match, from 1."""
        return (self.page_num - 1) * self.list_per_page + 1 if self.multi_page else 1

    @property
    def last_number(self) -> int:
        """The number of the page's last row."""
        return self.first_number + len(self.result_list) - 1

    @property
    def previous_query(self) -> str:
        """The query string of the page before, "" for none."""
        has_previous = self.multi_page and self.page_num > 1
        return self.get_query_string({PAGE_VAR: self.page_num - 1}) if has_previous else ""

    @property
    def next_query(self) -> str:
        """The query string of the page behind, "" for none."""
        has_next = self.multi_page and self.paginator.page(self.page_num).has_next()
        return self.get_query_string({PAGE_VAR: self.page_num + 1}) if has_next else ""


class BaseAdmin(IdempotentAddMixin, ModelAdmin):
    """The theme's admin: lists take any value; forms add once and take only times that can be shown.

    `when_empty` says when a row appears in a list that has none.
    """

    change_list_template = "flashsale/change_list.html"
    list_per_page = 25
    list_max_show_all = 0
    # Each choice of a filter would be counted in the whole table.
    show_facets = ShowFacets.NEVER
    when_empty = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ValidatingChangeList

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what was done to a row in the admin, and what API tokens did to it."""
        response: HttpResponse = super().history_view(request, object_id, extra_context)
        # Not of a row that is not there, to whose list Django leads back.
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            row = response.context_data["object"]
            response.context_data["token_actions"] = token_actions.newest_about(row, limit=MOST_TOKEN_ACTIONS)
        return response

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse look-ups that no link of the admin has: ranges need a pair of values, and patterns may run long."""
        return not lookup.endswith(("__range", "__regex", "__iregex")) and super().lookup_allowed(
            lookup, value, request
        )

    def response_action(  # type: ignore[override]  # the stubs describe a later Django
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Call the chosen action, unless a chosen id cannot be one of this model's."""
        if all(map(self._may_be_id, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            return super().response_action(request, queryset)
        self.message_user(request, "The chosen rows are not in this list. Nothing was changed.", messages.WARNING)
        return HttpResponseRedirect(request.get_full_path())

    def _may_be_id(self, text: str) -> bool:
        try:
            self.opts.pk.to_python(text)
        except ValidationError:
            return False
        return True

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if isinstance(db_field, DateTimeField):
            kwargs.setdefault("form_class", ZonedTimeField)
            kwargs.setdefault("widget", ZonedTimeWidget)
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(db_field, DateTimeField) and moments.validate not in field.validators:
            field.validators.append(moments.validate)
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin a new row with its defaults only: no link prefills a field."""
        return {}


class ViewOnlyAdmin(BaseAdmin):
    """Rows that staff may view, not add, edit or delete."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
