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
from flashsale.core.submissions import once
from flashsale.core.transactions import OutcomeUnknown

MAX_ROWS_AT_ONCE = 500
CONFLICT = "The database refused this: it conflicts with what is stored. Nothing was changed for this row."
NOTE_LENGTH = 500
BUSY = "the database did not answer in time. Go back and press again: what was done already is not done twice."

logger = logging.getLogger(__name__)


class NoteForm(forms.Form):
    """The note that every confirmed action needs."""

    note = forms.CharField(
        max_length=NOTE_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="The reason; it is recorded.",
    )


class ConfirmedActionsAdmin(CsvExportMixin, BaseAdmin):
    """Rows with actions that show what was chosen, ask for the reason, and make one domain call a row."""

    def confirm_and_run(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        action: str,
        verb: Callable[..., Any],
        describe: Callable[[Any, Any], str] = lambda _row, result: str(result),
        form_class: type[forms.Form] = NoteForm,
        warning: str = "",
    ) -> TemplateResponse | None:
        """Ask for confirmation, or, confirmed, call `verb(row, **form_data)` for each row and show its outcome.

        `verb` is `retrying_transaction_once`, and `describe(row, result)` says what it did; sent a second time the form
        does nothing and repeats that. At most `MAX_ROWS_AT_ONCE` rows. A refusal of one row, by its verb or by the
        database, does not stop the others.
        """
        form = form_class(request.POST if "confirmed" in request.POST else None)
        if "confirmed" not in request.POST or not form.is_valid():
            rows = list(queryset[:MAX_ROWS_AT_ONCE])
            return self._confirmation_page(request, rows, form, action=action, warning=warning)
        # The rows that were shown, also those that have left the list's filter since.
        chosen = self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        token = once.token_of(request.POST)
        for row in chosen[:MAX_ROWS_AT_ONCE]:
            name = f"{self.opts.label_lower}.{action}/{row.pk}"
            step = once.Step(token, name, functools.partial(describe, row))
            if not self._run_for_row(request, row, verb, form.cleaned_data, step=step, action=action):
                break
        return None

    def _confirmation_page(
        self, request: HttpRequest, rows: list[Model], form: forms.Form, *, action: str, warning: str
    ) -> TemplateResponse:
        title = self._title_of(action)
        context = self.admin_site.each_context(request) | {
            "title": title, "content_title": title, "opts": self.opts, "rows": rows, "form": form, "action": action,
            "warning": warning, "checkbox": ACTION_CHECKBOX_NAME, "most": MAX_ROWS_AT_ONCE,
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
        self.message_user(request, step.describe(result), messages.SUCCESS)
        self.log_change(request, row, f"{self._title_of(action)}: {form_data['note']}")
        return True

    def _title_of(self, action: str) -> str:
        registered = self.get_action(action)
        if registered is None:
            raise LookupError(f"{self.opts.label} has no action {action}")
        _function, _name, title = registered
        return str(title)


class ReadOnlyAdmin(ViewOnlyAdmin, ConfirmedActionsAdmin):
    """Rows that staff view and that only confirmed actions change."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Say whether this member of staff may run the actions: it takes the permission to change these rows."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")
