"""Rows that an action removes: they have no page any more, and a form that is sent again still says what it did."""

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from flashsale.core.staff.page_actions import PageActionsMixin
from flashsale.core.submissions import once


class RemovalMixin(PageActionsMixin):
    """Rows that the action `removing_action` removes, which begins with `repeat_removals`."""

    removing_action = ""

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Lead to the list when the row is gone."""
        response = super().act(request, object_id, action) if self.get_object(request, object_id) else None
        if response is None:
            self.repeat_removals(request)
        is_gone = self.get_object(request, object_id) is None
        if is_gone or response is None:
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return response

    def repeat_removals(self, request: HttpRequest) -> None:
        """Say what became of rows that this form removed when it was sent before."""
        token = once.token_of(request.POST)
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME) if "confirmed" in request.POST else ():
            outcome = once.outcome_of(token, f"{self.opts.label_lower}.{self.removing_action}/{key}")
            if outcome:
                self.message_user(request, f"Already done: {outcome}", messages.WARNING)
