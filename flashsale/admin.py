"""Admin pages of users, groups, the schedule, API tokens, failed log-ins and authenticator apps, in one theme.

Most replace the admin pages that those packages register.
"""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.admin import PeriodicTaskAdmin as BasePeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_otp.plugins.otp_totp.admin import TOTPDeviceAdmin as BaseTOTPDeviceAdmin
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_api_key.admin import APIKeyModelAdmin
from rest_framework_api_key.models import APIKey
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from flashsale.api import authentication
from flashsale.core.rest import scopes
from flashsale.core.staff.big_tables import CappedPaginator
from flashsale.core.staff.confirmed_actions import MAX_ROWS_AT_ONCE
from flashsale.core.staff.model_admin import BaseAdmin, ViewOnlyAdmin
from flashsale.models import LoginFailure, Token
from flashsale.staff.deleted_accounts import Account
from flashsale.staff.logins import attempts

for model in (
    User,
    Group,
    PeriodicTask,
    IntervalSchedule,
    CrontabSchedule,
    SolarSchedule,
    ClockedSchedule,
    APIKey,
    TOTPDevice,
):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(BaseUserAdmin, BaseAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_deleted_objects(self, objs: Iterable[User], request: HttpRequest) -> tuple[list, dict, set, list]:
        """List the accounts to delete; their history is kept (see `flashsale.staff.deleted_accounts`)."""
        accounts = [Account(user) for user in objs]
        with_history = [account for account in accounts if account.has_history]
        lines = [str(account.user) for account in accounts if account not in with_history]
        lines += [f"{account.user}; its history is kept as “{account.placeholder_name}”" for account in with_history]
        placeholders = [account for account in with_history if account.is_placeholder]
        protected = [f"{account.user}: the history of a deleted account" for account in placeholders]
        return lines, {User._meta.verbose_name_plural: len(accounts)}, set(), protected


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, BaseAdmin):
    pass


class ScheduleForm(PeriodicTaskForm):
    """The task's form with the theme's fields."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["regtask"].widget = UnfoldAdminSelectWidget(choices=self.fields["regtask"].choices)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()

    def clean(self) -> dict[str, Any]:
        """Skip the package's validation when the task's name cannot be stored: it queries by that name."""
        return self.cleaned_data if "task" in self.errors else super().clean()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(BasePeriodicTaskAdmin, BaseAdmin):
    form = ScheduleForm
    # The package's template has an inline script, which the Content-Security-Policy forbids.
    change_form_template = None
    # Without `toggle_tasks`, which is not idempotent.
    actions = ("enable_tasks", "disable_tasks", "run_tasks")


@admin.register(IntervalSchedule, CrontabSchedule)
class ScheduleAdmin(BaseAdmin):
    pass


class TokenForm(forms.ModelForm):
    """An API token and what it may do."""

    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in scopes.MEANINGS.items()],
        initial=sorted(scopes.DEFAULT),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=f"What the token may do, from its next request on; none is {', '.join(scopes.DEFAULT)}.",
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["scopes"] = sorted(Token.objects.get(pk=self.instance.pk).scopes)


@admin.register(APIKey)
class APIKeyAdmin(APIKeyModelAdmin, BaseAdmin):
    form = TokenForm

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: APIKey, form: TokenForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        authentication.set_scopes(obj, form.cleaned_data["scopes"] or scopes.DEFAULT)

    def has_delete_permission(self, request: HttpRequest, obj: APIKey | None = None) -> bool:
        """Keys are revoked, not deleted: holds and orders name them."""
        return False

    def describe_added(self, obj: APIKey) -> str:
        return (
            f'The API token "{obj}" was added. It was shown once, in the first answer: if you did not see it, revoke it'
            " and add another."
        )


@admin.register(LoginFailure)
class LoginFailureAdmin(ViewOnlyAdmin):
    """Failed log-ins by name and source; unlocking a name deletes its failures."""

    paginator = CappedPaginator
    list_display = ("name", "source", "failures", "is_locked", "last_at")
    search_fields = ("name", "source")
    ordering = ("-last_at",)
    actions = ("unlock",)

    @admin.display(description="locked", boolean=True)
    def is_locked(self, failure: LoginFailure) -> bool:
        return attempts.is_locked(failure)

    @admin.action(description="Unlock", permissions=["unlock"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[LoginFailure]) -> None:
        for failure in queryset[:MAX_ROWS_AT_ONCE]:
            self.log_change(request, failure, f"Unlocked {failure.name} from {failure.source}")
            attempts.unlock(name=failure.name, source=failure.source)
            self.message_user(request, f"{failure.name} may log in again from {failure.source}.", messages.SUCCESS)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("flashsale.delete_loginfailure")


@admin.register(TOTPDevice)
class TOTPDeviceAdmin(BaseTOTPDeviceAdmin, BaseAdmin):
    """Authenticator apps: an administrator adds one; its page shows the QR code to scan."""
