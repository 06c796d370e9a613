"""Actions of a list as buttons on a row's own page."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from flashsale.core.staff.links import page_of
from flashsale.core.staff.theme import ModelAdminMixin


class PageActionsMixin(ModelAdminMixin):
    """Each of the actions in `page_actions` has a button on the row's page where `is_offered` says so.

    The button leads to `.../<id>/act/<action>/`, which asks for confirmation as the list does.
    """

    page_actions: tuple[str, ...] = ()
    change_form_outer_before_template = "flashsale/page_actions.html"

    def is_offered(self, action: str, row: Any) -> bool:
        """Say whether the page of the row shows a button for this action; the action itself decides what it can do."""
        return True

    def status_line(self, row: Any) -> str:
        """Return a sentence on the state of a row, which stands beside its buttons."""
        return ""

    def title_of(self, action: str) -> str:
        """Return an action's name for people. Raises `LookupError`."""
        registered = self.get_action(action)
        if registered is None:
            raise LookupError(f"{self.opts.label} has no action {action}")
        _function, _name, title = registered
        return str(title)

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Ask for confirmation of an action on one row, or, confirmed, run it and return to the row's page."""
        if action not in self.page_actions:
            raise Http404(f"{self.opts.verbose_name_plural} have no action {action}.")
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        permitted = self.get_actions(request).get(action)
        if not permitted or not self.has_view_permission(request, row):
            raise PermissionDenied
        if any(ticked != str(row.pk) for ticked in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise Http404(f"This page acts on one {self.opts.verbose_name} only.")
        function, _name, _title = permitted
        # The stubs say that actions return text.
        run = cast("Callable[..., HttpResponse | None]", function)
        return run(self, request, self.get_queryset(request).filter(pk=row.pk)) or redirect(page_of(row))

    def page_after(self, request: HttpRequest) -> str:
        """Return where an action that is not confirmed leads back to: the row's page, or the list."""
        match = request.resolver_match
        if match is not None and "action" in match.kwargs:
            return reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[match.kwargs["object_id"]]
            )
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_act"
        view = self.admin_site.admin_view(self.act)
        return [path("<path:object_id>/act/<slug:action>/", view, name=name), *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id)) if object_id and self.page_actions else None
        buttons = {} if row is None else {"buttons": self._buttons_of(request, row), "status": self.status_line(row)}
        return super().changeform_view(request, object_id, form_url, (extra_context or {}) | buttons)

    def _buttons_of(self, request: HttpRequest, row: Model) -> list[tuple[str, str]]:
        """Return the titles and paths of the actions that this member of staff may run on the row now."""
        permitted = self.get_actions(request)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_act"
        return [
            (self.title_of(action), reverse(name, args=[quote(row.pk), action]))
            for action in self.page_actions
            if action in permitted and self.is_offered(action, row)
        ]
