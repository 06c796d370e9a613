"""API tokens in the admin: made with scopes and an end, shown once, revoked for good."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from rest_framework_api_key.models import APIKey
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from flashsale.api import authentication
from flashsale.core.rest import scopes
from flashsale.core.staff.model_admin import BaseAdmin
from flashsale.core.submissions import once
from flashsale.models import Token

PAST_END = "The end lies in the past: the token could never be used."
ACTIVE, EXPIRED, REVOKED = "Active", "Expired", "Revoked"

admin.site.unregister(APIKey)


class TokenForm(forms.ModelForm):
    """An API token and what it may do; `key` is what its client sends, known only when the token is made."""

    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in scopes.MEANINGS.items()],
        initial=sorted(scopes.DEFAULT),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=f"What the token may do, from its next request on; none is {', '.join(scopes.DEFAULT)}.",
    )

    class Meta:
        help_texts = {
            "name": "The client that uses the token; at most 50 characters.",
            "revoked": "A revoked token is refused from its next request on. This cannot be undone.",
            "expiry_date": "From then on the token is refused; empty: it never expires.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["scopes"] = sorted(Token.objects.get(pk=self.instance.pk).scopes)

    def clean_expiry_date(self) -> Any:
        """Refuse a new token that has ended; to an existing one a past end is as good as a revocation."""
        end = self.cleaned_data["expiry_date"]
        if end is not None and end <= timezone.now() and not self.instance.pk:
            raise forms.ValidationError(PAST_END)
        return end


@admin.register(APIKey)
class TokenAdmin(BaseAdmin):
    form = TokenForm
    list_display = ("name", "prefix", "scopes", "state", "created", "expires")
    list_filter = ("revoked",)
    list_select_related = ("granted",)
    search_fields = ("name", "prefix")
    ordering = ("revoked", "-created")

    def get_fields(self, request: HttpRequest, obj: APIKey | None = None) -> list[str]:
        made = ["prefix", "state", "created", "revoked"] if obj else []
        return ["name", "scopes", "expiry_date", *made]

    def get_readonly_fields(self, request: HttpRequest, obj: APIKey | None = None) -> list[str]:
        made = ["prefix", "state", "created"] if obj else []
        return [*made, "name", "expiry_date", "revoked"] if obj and obj.revoked else made

    @admin.display(description="scopes")
    def scopes(self, token: APIKey) -> str:
        granted = getattr(token, "granted", None)
        return ", ".join(granted.scopes if granted else sorted(scopes.DEFAULT))

    @admin.display(description="expires", ordering="expiry_date", empty_value="Never")
    def expires(self, token: APIKey) -> Any:
        return token.expiry_date

    @admin.display(description="state")
    def state(self, token: APIKey) -> str:
        return REVOKED if token.revoked else EXPIRED if token.has_expired else ACTIVE

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form with one button: its answer is the page with the token."""
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, (extra_context or {}) | buttons)

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: APIKey, form: TokenForm, change: bool) -> None:
        if not change:
            # Rendered by `response_add` and kept nowhere: the database has its hash.
            request.new_api_key = APIKey.objects.assign_key(obj)
        obj.save()
        authentication.set_scopes(obj, form.cleaned_data["scopes"] or scopes.DEFAULT)

    def response_add(self, request: HttpRequest, obj: APIKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token, this once, with a button that copies it."""
        once.store_outcome(obj)
        title = f"API token {obj.name}"
        context = self.admin_site.each_context(request) | {
            "title": title, "opts": self.opts, "token": obj, "key": request.new_api_key, "scopes": self.scopes(obj),
        }  # fmt: skip
        return TemplateResponse(request, "flashsale/new_token.html", context)

    def has_delete_permission(self, request: HttpRequest, obj: APIKey | None = None) -> bool:
        """Keys are revoked, not deleted: holds and orders name them."""
        return False

    def describe_added(self, obj: APIKey) -> str:
        return (
            f'The API token "{obj}" was added. It was shown once, in the first answer: if you did not see it, revoke it'
            " and add another."
        )
