"""Webhook endpoints for staff: managers add, change, test, enable, disable and delete them."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from flashsale.core import moments
from flashsale.core.staff.columns import EMPTY, label_column, moment_column
from flashsale.core.staff.csv_export import Export, Fact
from flashsale.core.staff.facts import FactColumn, FactsMixin
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.staff_log import entries_about
from flashsale.core.submissions import once
from flashsale.outbox import endpoints
from flashsale.outbox.admin import figures, secrets_shown, wording
from flashsale.outbox.admin.endpoint_actions import EndpointActions
from flashsale.outbox.admin.figures import Figures
from flashsale.outbox.admin.forms import EndpointForm
from flashsale.outbox.models import Endpoint

LAST_SHOWN = 10
STATUS = label_column(
    "status",
    {"enabled": "success", "failing": "warning", "disabled": "danger"},
    lambda endpoint: (endpoint.status, endpoint.status.capitalize()),
)


def _pending_cell(its: Figures) -> SafeString | str:
    if not its.pending_since:
        return "0"
    return sentence_cell(f"{wording.number_of(its.pending)}, since {moments.written(its.pending_since)}")


def _moment_cell(moment: Any) -> SafeString:
    return format_html('<span class="cell-moment">{}</span>', moments.written(moment)) if moment else EMPTY


@admin.register(Endpoint)
class EndpointAdmin(FactsMixin, EndpointActions):
    form = EndpointForm
    change_form_before_template = "flashsale/endpoint_form.html"
    list_display = (
        "name", STATUS, "events",
        FactColumn("Pending", _pending_cell),
        FactColumn("Dead", lambda its: wording.number_of(its.dead)),
        FactColumn("Last delivered", lambda its: _moment_cell(its.delivered_at)),
        moment_column("failing_since", "failing since"),
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("url", "description")
    search_help_text = "URL or description"
    when_empty = "An endpoint appears here when it is added, here or by the back end: events are posted to its URL."
    ordering = ("created_at",)
    actions = (*EndpointActions.page_actions, "export_csv")
    export = Export(
        {
            "Endpoint": "id", "Description": "description", "URL": "url", "Types": wording.types_of, "Status": "status",
            "Disabled because": lambda endpoint: endpoint.get_disabled_reason_display(),
            "Failing since": "failing_since", "Pending": Fact(lambda its: its.pending),
            "Dead": Fact(lambda its: its.dead), "Last delivered": Fact(lambda its: its.delivered_at),
            "Added": "created_at",
        },
        order="created_at",
        facts_about=figures.of,
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return super().get_queryset(request).filter(deleted_at=None)

    def facts_about(self, rows: Iterable[Endpoint]) -> Mapping[UUID, Figures]:
        return figures.of(rows)

    def get_fieldsets(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("url", "types", "description")})]
        types = "types" if self.has_change_permission(request, obj) else "events"
        return [
            ("Deliveries", {"fields": ("its_figures", "last_deliveries", "its_list")}),
            ("Endpoint", {"fields": ("url", types, "description")}),
            ("More", {"fields": ("id", "secret_now", "created_at", "its_history")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return (
            "its_figures", "last_deliveries", "its_list", "id", "secret_now", "created_at", "its_history", "events",
        )  # fmt: skip

    def status_line(self, row: Endpoint) -> str:
        return wording.state_of(row)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form with one button: its answer is the page with the secret."""
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, (extra_context or {}) | buttons)

    def save_model(self, request: HttpRequest, obj: Endpoint, form: EndpointForm, change: bool) -> None:
        if change:
            endpoints.save_edited(obj)
        else:
            endpoints.insert(obj)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        once.store_outcome(obj)
        return secrets_shown.response(self, request, [obj])

    def describe_added(self, obj: Any) -> str:
        return (
            f'The webhook endpoint "{obj}" was added. Its secret was shown once, in the first answer: if you did not'
            " see it, rotate it."
        )

    def has_delete_permission(self, request: HttpRequest, obj: Endpoint | None = None) -> bool:
        """Refuse Django's own deletion: the action is the domain's verb."""
        return False

    @admin.display(description="Endpoint")
    def name(self, endpoint: Endpoint) -> str:
        url = format_html("<br>{}", endpoint.url) if endpoint.description else ""
        return sentence_cell(format_html("{}{}", endpoint, url))

    @admin.display(description="Events")
    def events(self, endpoint: Endpoint) -> str:
        return sentence_cell(wording.types_of(endpoint))

    @admin.display(description="Now")
    def its_figures(self, endpoint: Endpoint) -> str:
        its = figures.of_one(endpoint)
        since = f", the oldest since {moments.written(its.pending_since)}" if its.pending_since else ""
        last = moments.written(its.delivered_at) if its.delivered_at else "never"
        pending, dead = wording.number_of(its.pending), wording.number_of(its.dead)
        return f"{pending} pending{since}; {dead} dead; last delivered: {last}"

    @admin.display(description="The last ones")
    def last_deliveries(self, endpoint: Endpoint) -> str:
        """Link the newest deliveries, each with its state."""
        newest = endpoint.deliveries.select_related("event").defer("event__body").order_by("-created_at", "-pk")
        lines = (
            (moments.written(delivery.created_at), link_to(delivery, delivery.message_type), delivery.status)
            for delivery in newest[:LAST_SHOWN]
        )
        return format_html_join(mark_safe("<br>"), "{}, {}: {}", lines) or "None yet"

    @admin.display(description="All of them")
    def its_list(self, endpoint: Endpoint) -> str:
        path, query = reverse("admin:outbox_delivery_changelist"), urlencode({"endpoint": str(endpoint.pk)})
        return format_html('<a class="text-link" href="{}?{}">Deliveries to this endpoint</a>', path, query)

    @admin.display(description="Secret")
    def secret_now(self, endpoint: Endpoint) -> str:
        """Say what can be known of the secret, which is shown only when it is made."""
        shown = "It was shown when it was made. Rotate it to get a new one."
        if not endpoint.previous_secrets_until:
            return shown
        return f"{shown} The one before signs until {moments.written(endpoint.previous_secrets_until)}, too."

    @admin.display(description="What was done")
    def its_history(self, endpoint: Endpoint) -> str:
        """Say what staff and API tokens did to it, the newest first."""
        entries = reversed(entries_about([endpoint]))
        lines = ((moments.written(entry.at), entry.by, entry.text) for entry in entries)
        return format_html_join(mark_safe("<br>"), "{}, {}: {}", lines) or "Nothing yet"
