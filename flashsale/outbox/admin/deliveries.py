"""Deliveries of events to webhook endpoints, for staff; managers send them again."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from flashsale.core import moments
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import label_column, moment_column
from flashsale.core.staff.confirmed_actions import OptionalNoteForm
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.search import IndexedSearchMixin
from flashsale.outbox.admin import bodies, look_ups, wording
from flashsale.outbox.admin.filters import ToEndpoint
from flashsale.outbox.deliveries import again, sample_messages, sending
from flashsale.outbox.models import Delivery

STATUS = label_column(
    "status",
    {"delivered": "success", "pending": "info", "dead": "danger"},
    lambda delivery: (delivery.status, delivery.status.capitalize()),
)


@admin.register(Delivery)
class DeliveryAdmin(IndexedSearchMixin, BigTableAdmin):
    list_display = (
        "what", "to", STATUS, "tries", "last_result", moment_column("next_try_at", "next try"),
        moment_column("created_at", "time"),
    )  # fmt: skip
    list_filter = (ToEndpoint, "status", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("endpoint", "event")
    search_fields = ("event__public_id",)
    search_help_text = "Id or number of an event, id of an order, a payment or a product"
    when_empty = "A delivery appears here when an event happens that a webhook endpoint gets, or when one is tested."
    ordering = ("-id",)
    actions = ("retry", "export_csv")
    page_actions = ("retry",)
    fieldsets = (
        (None, {"fields": ("message_id", "what", "its_event", "its_endpoint", "created_at")}),
        ("What was answered", {"fields": ("tries", "next_try_at", "last_result", "answer", "its_tries")}),
        ("What is sent", {"fields": ("its_request", "its_body")}),
    )
    readonly_fields = (
        "message_id", "what", "its_event", "its_endpoint", "last_result", "answer", "its_tries", "its_request",
        "its_body",
    )  # fmt: skip
    export = Export(
        {
            "Event": "message_id", "Type": "message_type", "Number": "event_id", "Endpoint": "endpoint_id",
            "URL": "endpoint.url", "Status": "status", "Tries": "tries", "Next try": "next_try_at",
            "Last status": "last_status", "Since": "created_at", "Delivered at": "delivered_at",
        }
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).filter(endpoint__deleted_at=None).defer("event__body")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest first, in the order of an index: that of one endpoint, or that of all."""
        return ("-created_at", "-id") if ToEndpoint.parameter_name in request.GET else ("-id",)

    def get_sortable_by(self, request: HttpRequest) -> list[Any]:
        return []

    def look_ups(self, text: str) -> Iterable[QuerySet[Delivery]]:
        return look_ups.deliveries(text)

    def status_line(self, row: Delivery) -> str:
        return wording.state_of_delivery(row)

    @admin.action(description="Send again", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> TemplateResponse | None:
        def retry(delivery: Delivery, *, note: str) -> Delivery:
            return again.retry(delivery.endpoint_id, delivery.pk)

        def describe(delivery: Delivery, result: Delivery) -> str:
            return f"{delivery}: {wording.state_of_delivery(result)}"

        return self.confirm_and_run(
            request, queryset, action="retry", verb=retry, describe=describe, form_class=OptionalNoteForm,
            effect=wording.effect_of_retrying,
        )  # fmt: skip

    @admin.display(description="Message")
    def message_id(self, delivery: Delivery) -> str:
        return delivery.message_id

    @admin.display(description="Type")
    def what(self, delivery: Delivery) -> str:
        return delivery.message_type

    @admin.display(description="Endpoint")
    def to(self, delivery: Delivery) -> str:
        return sentence_cell(link_to(delivery.endpoint))

    @admin.display(description="Event")
    def its_event(self, delivery: Delivery) -> str:
        event = delivery.event
        return link_to(event, f"{event.sequence}: {wording.meaning_of(event.type)}") if event else "None: it is a test"

    @admin.display(description="Endpoint")
    def its_endpoint(self, delivery: Delivery) -> str:
        return format_html("{}: {}", link_to(delivery.endpoint), wording.state_of(delivery.endpoint))

    @admin.display(description="Last answer")
    def last_result(self, delivery: Delivery) -> str:
        return sentence_cell(_result_of(delivery.last_status, delivery.last_error))

    @admin.display(description="Its body")
    def answer(self, delivery: Delivery) -> str:
        if not delivery.last_answer:
            return "Empty" if delivery.last_status else "-"
        return bodies.collapsed("The beginning, at most 2 KiB", delivery.last_answer, is_open=True)

    @admin.display(description="The last tries")
    def its_tries(self, delivery: Delivery) -> str:
        tries = (
            (_moment(one["at"]), _result_of(one["status"], one["error"]), one["duration_ms"])
            for one in delivery.attempts
        )
        rows = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{} ms</td></tr>", tries)
        return format_html('<table class="live-table">{}</table>', rows) if rows else "None yet"

    @admin.display(description="Request")
    def its_request(self, delivery: Delivery) -> SafeString:
        """Show the request's line and headers; each try has a time and a signature of its own, which are not kept."""
        lines = [
            f"POST {delivery.endpoint.url}", "Content-Type: application/json", f"User-Agent: {sending.USER_AGENT}",
            f"webhook-id: {delivery.message_id}", "webhook-timestamp: the time of each try",
            "webhook-signature: made with the endpoint's secret for each try",
        ]  # fmt: skip
        return format_html('<pre class="live-raw">{}</pre>', "\n".join(lines))

    @admin.display(description="Body")
    def its_body(self, delivery: Delivery) -> SafeString:
        return bodies.collapsed("JSON", bodies.indented(_body_of(delivery)), is_open=True)


def _body_of(delivery: Delivery) -> str:
    if delivery.event is not None:
        return delivery.event.body
    if delivery.test_id is None:
        return ""
    _, body = sample_messages.message_of(delivery.test_id, endpoint_id=delivery.endpoint_id, moment=delivery.created_at)
    return body.decode()


def _result_of(status: int | None, error: str) -> str:
    """Say what an answer's status was, and what was wrong with it; "-" before the first answer."""
    if status is None:
        return error or "-"
    known = {one.value: one.phrase for one in HTTPStatus}
    return f"{status} {known.get(status, '')}".strip()


def _moment(text: str) -> str:
    moment = parse_datetime(text)
    return moments.written(moment) if moment else text
