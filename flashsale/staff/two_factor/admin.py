"""The list of two-factor devices: which accounts have one, and the removal of one whose phone is lost. No secrets."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django_otp.plugins.otp_totp.models import TOTPDevice

from flashsale.core.staff.confirmed_actions import ReadOnlyAdmin
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.model_admin import staff_of
from flashsale.core.staff.removal import RemovalMixin
from flashsale.staff.two_factor import devices

WARNING = "Afterwards its log-ins need the password only. First make sure that the request comes from the owner."

admin.site.unregister(TOTPDevice)


@admin.register(TOTPDevice)
class TwoFactorDeviceAdmin(RemovalMixin, ReadOnlyAdmin):
    list_display = ("account", "state", "created_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("confirmed",)
    search_fields = ("user__username", "user__email")
    ordering = ("user__username", "pk")
    fields = ("account", "state", "created_at", "last_used_at")
    readonly_fields = fields
    actions = ("remove", "export_csv")
    page_actions = ("remove",)
    removing_action = "remove"
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

        self.repeat_removals(request)
        return self.confirm_and_run(request, queryset, action="remove", verb=remove, describe=describe, warning=WARNING)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Write to the history of the account, which stays when the device is gone."""
        return super().log_change(request, obj.user, message)

    def get_form(self, request: HttpRequest, obj: TOTPDevice | None = None, change: bool = False, **kwargs: Any) -> Any:
        # Without the package's sentences about devices.
        texts = {"created_at": "When the set-up began.", "last_used_at": "The last log-in with one of its codes."}
        return super().get_form(request, obj, change=change, help_texts=texts, **kwargs)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("otp_totp.delete_totpdevice")
