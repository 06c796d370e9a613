"""The list of two-factor devices: which accounts have one, and the removal of one whose phone is lost. No secrets."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django_otp.plugins.otp_totp.models import TOTPDevice

from flashsale.core.staff.confirmed_actions import ReadOnlyAdmin
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.model_admin import staff_of
from flashsale.core.submissions import once
from flashsale.staff.two_factor import devices

WARNING = "Afterwards its log-ins need the password only. First make sure that the request comes from the owner."

admin.site.unregister(TOTPDevice)


@admin.register(TOTPDevice)
class TwoFactorDeviceAdmin(ReadOnlyAdmin):
    list_display = ("account", "state", "created_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("confirmed",)
    search_fields = ("user__username", "user__email")
    ordering = ("user__username", "pk")
    fields = ("account", "state", "created_at", "last_used_at")
    readonly_fields = fields
    actions = ("remove", "export_csv")
    page_actions = ("remove",)
    export = Export(
        {
            "account": "user.username", "confirmed": "confirmed", "created_at": "created_at",
            "last_used_at": "last_used_at",
        },
        order="pk",
    )  # fmt: skip

    @admin.display(description="Account", ordering="user__username")
    def account(self, device: TOTPDevice) -> str:
        return str(device.user)

    @admin.display(description="State")
    def state(self, device: TOTPDevice) -> str:
        return "In use" if device.confirmed else "Being set up"

    @admin.action(description="Remove (phone lost)", permissions=["decide"])
    def remove(self, request: HttpRequest, queryset: QuerySet[TOTPDevice]) -> TemplateResponse | None:
        def remove(device: TOTPDevice, *, note: str) -> User:
            return devices.remove(device, by=staff_of(request))

        def describe(_: TOTPDevice, owner: User) -> str:
            return f"Two-factor log-in of {owner} is off."

        self._repeat_outcomes(request)
        return self.confirm_and_run(request, queryset, action="remove", verb=remove, describe=describe, warning=WARNING)

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Lead to the list when the device is gone: it has no page any more."""
        response = super().act(request, object_id, action) if self.get_object(request, object_id) else None
        if response is None:
            self._repeat_outcomes(request)
        is_gone = self.get_object(request, object_id) is None
        return redirect("admin:otp_totp_totpdevice_changelist") if is_gone or response is None else response

    def _repeat_outcomes(self, request: HttpRequest) -> None:
        """Say what became of devices that this form removed when it was sent before."""
        token = once.token_of(request.POST)
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME) if "confirmed" in request.POST else ():
            outcome = once.outcome_of(token, f"{self.opts.label_lower}.remove/{key}")
            if outcome:
                self.message_user(request, f"Already done: {outcome}", messages.WARNING)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Write to the history of the account, which stays when the device is gone."""
        return super().log_change(request, obj.user, message)

    def get_form(self, request: HttpRequest, obj: TOTPDevice | None = None, change: bool = False, **kwargs: Any) -> Any:
        # Without the package's sentences about devices.
        texts = {"created_at": "When the set-up began.", "last_used_at": "The last log-in with one of its codes."}
        return super().get_form(request, obj, change=change, help_texts=texts, **kwargs)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("otp_totp.delete_totpdevice")
