"""Admin actions that ask for confirmation and a note, then make one domain call for each chosen row."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import DataError, IntegrityError, OperationalError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget

from flashsale.core.refusals import Refusal
from flashsale.core.staff.export_pages import CsvExportMixin
from flashsale.core.staff.model_admin import BaseAdmin, ViewOnlyAdmin
from flashsale.core.staff.page_actions import PageActionsMixin
from flashsale.core.submissions import once
from flashsale.core.transactions import OutcomeUnknown

MAX_ROWS_AT_ONCE = 500
CONFLICT = "The database refused this: it conflicts with what is stored. Nothing was changed for this row."
NOTE_LENGTH = 500
BUSY = "the database did not answer in time. Go back and press again: what was done already is not done twice."

logger = logging.getLogger(__name__)


class NoteForm(forms.Form):
    """The note of an action that moves money or units."""

    note = forms.CharField(
        max_length=NOTE_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="The reason; it is recorded.",
    )


class OptionalNoteForm(NoteForm):
    """The note of any other action."""

    note = forms.CharField(
        max_length=NOTE_LENGTH,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="It is recorded.",
    )


def no_effect(row: Any) -> str:
    """Say nothing about what an action will do to the row."""
    return ""


class ConfirmedActionsAdmin(PageActionsMixin, CsvExportMixin, BaseAdmin):
    """Rows with actions that show what was chosen and what will happen, and make one domain call a row."""

    def confirm_and_run(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        action: str,
        verb: Callable[..., Any],
        describe: Callable[[Any, Any], str] = lambda _row, result: str(result),
        form_class: type[NoteForm] = NoteForm,
        initial: dict[str, Any] | None = None,
        effect: Callable[[Any], str] = no_effect,
        warning: str = "",
    ) -> TemplateResponse | None:
        """Ask for confirmation, or, confirmed, call `verb(row, **form_data)` for each row and show its outcome.

        The page has a sentence `effect(row)` on what will happen to each row, `warning` on all of them, and a form that
        begins with `initial`. `verb` is `retrying_transaction_once`, and `describe(row, result)` says what it did; sent
        a second time the form does nothing and repeats that. At most `MAX_ROWS_AT_ONCE` rows. A refusal of one row, by
        its verb or by the database, does not stop the others.
        """
        form = form_class(request.POST if "confirmed" in request.POST else None, initial=initial)
        if "confirmed" not in request.POST or not form.is_valid():
            rows = self.rows_shown(request, queryset)
            return self._confirmation_page(request, rows, form, action=action, effect=effect, warning=warning)
        # The rows that were shown, also those that have left the list's filter since.
        chosen = self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        token = once.token_of(request.POST)
        for row in self._with_related(chosen)[:MAX_ROWS_AT_ONCE]:
            name = f"{self.opts.label_lower}.{action}/{row.pk}"
            log = functools.partial(self._log, request, row, action=action, note=form.cleaned_data["note"])
            step = once.Step(token, name, functools.partial(describe, row), record=log)
            if not self._run_for_row(request, row, verb, form.cleaned_data, step=step, action=action):
                break
        return None

    def rows_shown(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the rows that the page of an action shows, at most `MAX_ROWS_AT_ONCE`."""
        return list(self._with_related(self._chosen(request, queryset))[:MAX_ROWS_AT_ONCE])

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the ticked rows, also those that have left the list's filter since the list was read."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        is_all = request.POST.get("select_across", "0") != "0"
        return self.get_queryset(request).filter(pk__in=ticked) if ticked and not is_all else queryset

    def _with_related(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Read with the rows what their names are made of."""
        related = self.list_select_related
        return rows.select_related(*related) if isinstance(related, tuple | list) else rows

    def _confirmation_page(
        self,
        request: HttpRequest,
        rows: list[Model],
        form: NoteForm,
        *,
        action: str,
        effect: Callable[[Any], str],
        warning: str,
    ) -> TemplateResponse:
        title = self.title_of(action)
        chosen = str(rows[0]) if len(rows) == 1 else f"{len(rows)} {self.opts.verbose_name_plural}"
        context = self.admin_site.each_context(request) | {
            "title": f"{title}: {chosen}", "content_title": f"{title}: {chosen}", "button": title, "opts": self.opts,
            "rows": [(row, effect(row)) for row in rows], "form": form, "action": action, "warning": warning,
            "back": self.page_after(request), "checkbox": ACTION_CHECKBOX_NAME, "most": MAX_ROWS_AT_ONCE,
            once.FIELD: once.token_of(request.POST),
        }  # fmt: skip
        return TemplateResponse(request, "flashsale/decide.html", context)

    def _run_for_row(
        self,
        request: HttpRequest,
        row: Model,
        verb: Callable[..., Any],
        form_data: dict[str, Any],
        *,
        step: once.Step,
        action: str,
    ) -> bool:
        """Call the verb for one row and show its outcome; False when the database is too busy to go on."""
        try:
            with once.performing(step):
                result = verb(row, **form_data)
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
            # The verb's transaction was rolled back; those of other rows are independent of it.
            logger.exception("the database refused %s of %s %s", action, self.opts.label, row.pk)
            self.message_user(request, f"{row}: {CONFLICT}", messages.ERROR)
            return True
        # What the verb returned in the end: it may go on after the transaction that the history tells of.
        self.message_user(request, step.describe(result), messages.SUCCESS)
        return True

    def _log(self, request: HttpRequest, row: Model, outcome: str, *, action: str, note: str) -> None:
        """Keep in the history what was done and why, in the transaction that does it."""
        self.log_change(request, row, f"{self.title_of(action)}. {outcome}" + (f" Note: {note}" if note else ""))


class ReadOnlyAdmin(ViewOnlyAdmin, ConfirmedActionsAdmin):
    """Rows that staff view and that only confirmed actions change."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Say whether this member of staff may run the actions: it takes the permission to change these rows."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")
