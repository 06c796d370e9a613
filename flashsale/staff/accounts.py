"""Accounts, roles, failed log-ins, and what staff did, in the admin."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from flashsale.core.staff.big_tables import CappedPaginator
from flashsale.core.staff.confirmed_actions import MAX_ROWS_AT_ONCE
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.model_admin import BaseAdmin, ViewOnlyAdmin
from flashsale.models import LoginFailure
from flashsale.staff.deleted_accounts import Account
from flashsale.staff.logins import attempts

for model in (User, Group):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(BaseUserAdmin, BaseAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "role_names", "is_active", "two_factor", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        return super().get_queryset(request).annotate(has_two_factor=Exists(devices)).prefetch_related("groups")

    @admin.display(description="name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "-"

    @admin.display(description="roles")
    def role_names(self, user: User) -> str:
        names = sorted(group.name for group in user.groups.all())
        return ", ".join(["superuser"] * user.is_superuser + names) or "-"

    @admin.display(description="two-factor log-in", ordering="has_two_factor")
    def two_factor(self, user: User) -> str:
        return "On" if getattr(user, "has_two_factor", False) else "Off"

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


@admin.register(LoginFailure)
class LoginFailureAdmin(ViewOnlyAdmin):
    """Failed log-ins by name and source; unlocking a name deletes its failures."""

    paginator = CappedPaginator
    list_display = ("name", "source", "failures", "state", "until", "last_at")
    search_fields = ("name", "source")
    ordering = ("-last_at",)
    fields = ("name", "source", "failures", "state", "until", "last_at")
    readonly_fields = ("state", "until")
    actions = ("unlock",)
    change_form_outer_before_template = "flashsale/unlock.html"

    @admin.display(description="state")
    def state(self, failure: LoginFailure) -> str:
        return "Locked" if attempts.is_locked(failure) else "Not locked"

    @admin.display(description="locked until")
    def until(self, failure: LoginFailure) -> str:
        if not attempts.is_locked(failure):
            return "-"
        return formats.date_format(timezone.localtime(attempts.lock_ends_at(failure)), "DATETIME_FORMAT")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        failure = self.get_object(request, object_id)
        is_locked = {"is_locked": failure is not None and attempts.is_locked(failure)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | is_locked)

    def get_form(
        self, request: HttpRequest, obj: LoginFailure | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        texts = {"source": "An address (of IPv6 its network), a browser that logged in before, or a page that asks."}
        return super().get_form(request, obj, change=change, help_texts=texts, **kwargs)

    @admin.action(description="Unlock", permissions=["unlock"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[LoginFailure]) -> None:
        for failure in queryset[:MAX_ROWS_AT_ONCE]:
            self.log_change(request, failure, f"Unlocked {failure.name} from {failure.source}")
            attempts.unlock(name=failure.name, source=failure.source)
            self.message_user(request, f"Unlocked {failure.name}, {failure.source}.", messages.SUCCESS)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("flashsale.delete_loginfailure")


@admin.register(LogEntry)
class ActivityAdmin(ViewOnlyAdmin):
    """What staff did in the admin, newest first."""

    paginator = CappedPaginator
    list_display = ("action_time", "user", "kind", "thing", "what")
    list_display_links = None
    list_select_related = ("user", "content_type")
    list_filter = (("action_time", TimeRange),)
    list_filter_submit = True
    search_fields = ("=user__username", "=object_id")
    search_help_text = "The name of an account, or the whole id of what was changed."
    # In the order of the primary key: the table has no index by time.
    ordering = ("-pk",)

    @admin.display(description="kind")
    def kind(self, entry: LogEntry) -> str:
        return entry.content_type.name if entry.content_type else "-"

    @admin.display(description="of what")
    def thing(self, entry: LogEntry) -> SafeString | str:
        url = None if entry.is_deletion() else entry.get_admin_url()
        return format_html('<a href="{}">{}</a>', url, entry.object_repr) if url else entry.object_repr

    @admin.display(description="what was done")
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message() or str(entry.get_action_flag_display())
