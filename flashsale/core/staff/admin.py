"""What the admin pages of several apps share."""

import functools
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import DataError, IntegrityError, OperationalError
from django.db.models import DateTimeField, Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget

from flashsale.core import moments, money
from flashsale.core.refusals import Refusal
from flashsale.core.staff.export_pages import Exports
from flashsale.core.submissions import once
from flashsale.core.submissions.pages import AddsOnce
from flashsale.core.transactions import OutcomeUnknown

MAX_ROWS_AT_ONCE = 500
COLLIDES = "The database refused this: it does not go together with what is stored. Nothing was changed for this row."
NOTE_LENGTH = 500
ISO_DATE = "%Y-%m-%d"
NOT_ISO = "Write a date as 2030-01-31."
BUSY = "the database did not answer in time. Go back and press again: what was done already is not done twice."

logger = logging.getLogger(__name__)


class NoteForm(forms.Form):
    """What every decision needs: why."""

    note = forms.CharField(
        max_length=NOTE_LENGTH, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), help_text="Why; it is kept."
    )


def money_column(column: str) -> Callable[[Model], str]:
    """Return a list column that shows an amount with its currency's decimals, and the currency, where it is known."""

    @admin.display(description=column.replace("_", " "), ordering=column)
    def show(row: Model) -> str | None:
        amount = getattr(row, column)
        return None if amount is None else f"{money.render(amount, row.currency)} {row.currency}".strip()

    return show


class TimeRange(RangeDateTimeFilter):
    """Rows between two moments of the admin's time zone; without a time, whole days. What is no moment is ignored."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        bounds = {"gte": self._moment("from", "00:00:00"), "lte": self._moment("to", "23:59:59.999999")}
        return queryset.filter(**{f"{self.parameter_name}__{name}": at for name, at in bounds.items() if at})

    def _moment(self, end: str, time_of_day: str) -> datetime | None:
        day, time = (self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") for part in (0, 1))
        try:
            moment = parse_datetime(f"{day}T{time or time_of_day}")
        except ValueError:
            return None
        return timezone.make_aware(moment) if moment and timezone.is_naive(moment) else moment


class CheckedChangeList(ChangeList):
    """A list that notices a filter's impossible value before its page is begun, and is then shown unfiltered."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        rows = super().get_queryset(request, exclude_parameters)
        try:
            # A year that Python does not have, for one, is noticed only when the statement is written.
            rows.query.get_compiler(rows.db).as_sql()
        except EmptyResultSet:
            pass
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
        return rows


class BaseAdmin(AddsOnce, ModelAdmin):
    """The theme's admin: lists take any value; forms add once and take only times that can be shown."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CheckedChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse what no link asks for: an address has no pair of values, and a pattern may take any time."""
        return not lookup.endswith(("__range", "__regex", "__iregex")) and super().lookup_allowed(
            lookup, value, request
        )

    def response_action(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Call the chosen action, unless something was chosen that can be no row of this list."""
        if all(map(self._may_be_id, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            return super().response_action(request, queryset)
        self.message_user(request, "What was chosen is not in this list. Nothing was changed.", messages.WARNING)
        return HttpResponseRedirect(request.get_full_path())

    def _may_be_id(self, text: str) -> bool:
        try:
            self.opts.pk.to_python(text)
        except ValidationError:
            return False
        return True

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(db_field, DateTimeField) and moments.validate not in field.validators:
            field.validators.append(moments.validate)
        if isinstance(field, forms.SplitDateTimeField):
            # Nothing is guessed: 01/02/2030 is January in one country and February in another.
            date = field.fields[0]
            date.input_formats, date.error_messages = [ISO_DATE], date.error_messages | {"invalid": NOT_ISO}
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin a new row with its defaults; what an address says is no field's value, and no link says any."""
        return {}


class DecidingAdmin(Exports, BaseAdmin):
    """Rows about which staff decide: an action shows what was chosen, asks why, and makes one domain call a row."""

    def decide(
        self,
        request: HttpRequest,
        queryset: QuerySet,
        *,
        action: str,
        verb: Callable[..., Any],
        tell: Callable[[Any, Any], str] = lambda _row, result: str(result),
        form_class: type[forms.Form] = NoteForm,
        warning: str = "",
    ) -> TemplateResponse | None:
        """Ask for confirmation, or, confirmed, call `verb(row, **what_was_given)` for each row and say what happened.

        `verb` is `retrying_transaction_once`, and `tell(row, result)` says what it did; sent a second time the form
        does nothing and repeats that. At most `MAX_ROWS_AT_ONCE` rows. A refusal of one row, by its verb or by the
        database, does not stop the others.
        """
        form = form_class(request.POST if "confirmed" in request.POST else None)
        if "confirmed" not in request.POST or not form.is_valid():
            rows = list(queryset[:MAX_ROWS_AT_ONCE])
            return self._asked(request, rows, form, action=action, warning=warning)
        # What was shown, also when a row has left the list's filter since.
        chosen = self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        token = once.token_of(request.POST)
        for row in chosen[:MAX_ROWS_AT_ONCE]:
            name = f"{self.opts.label_lower}.{action}/{row.pk}"
            step = once.Step(token, name, functools.partial(tell, row))
            if not self._call(request, row, verb, form.cleaned_data, step=step, action=action):
                break
        return None

    def _asked(
        self, request: HttpRequest, rows: list[Model], form: forms.Form, *, action: str, warning: str
    ) -> TemplateResponse:
        title = str(self.get_action(action)[2])
        context = self.admin_site.each_context(request) | {
            "title": title, "content_title": title, "opts": self.opts, "rows": rows, "form": form, "action": action,
            "warning": warning, "checkbox": ACTION_CHECKBOX_NAME, "most": MAX_ROWS_AT_ONCE,
            once.FIELD: once.token_of(request.POST),
        }  # fmt: skip
        return TemplateResponse(request, "flashsale/decide.html", context)

    def _call(
        self,
        request: HttpRequest,
        row: Model,
        verb: Callable[..., Any],
        given: dict[str, Any],
        *,
        step: once.Step,
        action: str,
    ) -> bool:
        """Call the verb for one row and say what came of it; False when the database is too busy to go on."""
        try:
            with once.taking(step):
                result = verb(row, **given)
        except once.AlreadyDone as done:
            self.message_user(request, f"Already done: {done.detail}", messages.WARNING)
            return True
        except Refusal as refusal:
            self.message_user(request, f"{row}: {refusal}", messages.WARNING)
            return True
        except (OperationalError, OutcomeUnknown):
            self.message_user(request, f"{row}: {BUSY}", messages.ERROR)
            return False
        except (DataError, IntegrityError):
            # A verb's transaction is undone by now; the rows before and after this one are not its concern.
            logger.exception("the database refused %s of %s %s", action, self.opts.label, row.pk)
            self.message_user(request, f"{row}: {COLLIDES}", messages.ERROR)
            return True
        self.message_user(request, step.tell(result), messages.SUCCESS)
        self.log_change(request, row, f"{self.get_action(action)[2]}: {given['note']}")
        return True


class ViewOnlyAdmin(BaseAdmin):
    """Rows that staff look at: nothing can be added, edited or deleted here."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj=None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj=None) -> bool:
        return False


class ReadOnlyAdmin(ViewOnlyAdmin, DecidingAdmin):
    """Rows that staff look at and the domain changes, by actions that decide about them."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Say whether this member of staff may act on these rows: who has the permission to change them."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class MoreThan(int):
    """An uncounted number of rows: as an int so large that every page exists, as text what is known of it."""

    def __new__(cls, counted: int, *, as_if: int) -> "MoreThan":
        number = super().__new__(cls, as_if)
        number.counted = counted
        return number

    def __str__(self) -> str:
        return f"more than {self.counted:,}"

    __repr__ = __str__

    def __format__(self, _spec: str) -> str:
        return str(self)


class CappedPaginator(InfinitePaginator):
    """Counts to `MOST_COUNTED` and no further; what is beyond is reached page by page."""

    MOST_COUNTED = 10_000

    @cached_property
    def count(self) -> int:
        counted = self.object_list.order_by()[: self.MOST_COUNTED + 1].count()
        return counted if counted <= self.MOST_COUNTED else MoreThan(self.MOST_COUNTED, as_if=super().count)


class BigTableAdmin(ReadOnlyAdmin):
    """Rows of which there may be a million: pages without a count of all."""

    paginator = CappedPaginator
