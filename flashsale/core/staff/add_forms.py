"""Add forms of the admin that add once, however often they are sent."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from flashsale.core.staff.theme import ModelAdminMixin
from flashsale.core.submissions import once


class IdempotentAddMixin(ModelAdminMixin):
    """The add form carries a token, which is stored in the transaction that adds the row."""

    change_form_before_template = "flashsale/submission.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or take the form; sent a second time it adds nothing and says what was added the first time."""
        if object_id is not None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        token = once.token_of(request.POST)
        context = (extra_context or {}) | {once.FIELD: token}
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, context)
        step = once.Step(token, f"{self.opts.label_lower}.add", self.describe_added)
        try:
            with once.performing(step), transaction.atomic():
                once.claim_token()
                response = super().changeform_view(request, object_id, form_url, context)
                if not step.is_done:
                    # Nothing was added: the form has errors and may be sent again.
                    transaction.set_rollback(True)
        except once.AlreadyDone as done:
            self.message_user(request, f"Already done: {done.detail}", messages.WARNING)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return response

    def response_add(self, request: HttpRequest, obj: Model, post_url_continue: str | None = None) -> HttpResponse:
        once.store_outcome(obj)
        return super().response_add(request, obj, post_url_continue)

    def describe_added(self, obj: Model) -> str:
        """Say what was added, for a form that is sent a second time."""
        return f'The {self.opts.verbose_name} "{obj}" was added.'
