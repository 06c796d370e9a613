"""The page of an event: what has to be judged first, then what it says, then its raw parts."""

import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from checkout import proved_payments
from checkout.models import Order
from flashsale.core import clock, money
from flashsale.core.staff.links import link_to
from flashsale.core.staff.theme import ModelAdminMixin
from payments import explanations
from payments.explanations import Situation
from payments.explanations.bodies import readable
from payments.models import WebhookEvent

TO_JUDGE = (
    "order_now", "payment_now", "named_orders", "orders_with_its_payment_id", "status_now", "received_at",
)  # fmt: skip
# How the amount is called that an event tells, and what it is compared with.
AMOUNTS: dict[str, tuple[str, str]] = {
    WebhookEvent.Kind.SUCCESS: ("paid", "expected"),
    WebhookEvent.Kind.FAILURE: ("tried_to_pay", "expected"),
    WebhookEvent.Kind.REFUNDED: ("given_back", "whole_payment"),
    WebhookEvent.Kind.REFUND_FAILED: ("not_given_back", "whole_payment"),
    WebhookEvent.Kind.DISPUTE: ("disputed", "whole_payment"),
}
OTHER_AMOUNTS = ("amount_told", "expected")
SAYS = ("event_id", "provider", "source", "kind", "type", "occurred_at", "whole_references", "other_references")
PROCESSING = ("processed_at", "parked_at", "attempts", "next_attempt_at", "last_error", "settled_by", "settled_note")
RAW = ("raw_body", "raw_headers", "fingerprint", "request_id")


def _amount(label: str) -> Callable[[Any, WebhookEvent], str]:
    """Return a field with the amount that an event tells."""

    @admin.display(description=label)
    def shown(_: Any, event: WebhookEvent) -> str:
        total = " (a total)" if event.amount_is_total else ""
        return f"{_read(event).paid or 'it does not say how much'}{total}"

    return shown


def _compared(label: str) -> Callable[[Any, WebhookEvent], str]:
    """Return a field with what the event's amount is compared with."""

    @admin.display(description=label)
    def shown(_: Any, event: WebhookEvent) -> str:
        return _read(event).expected or "unknown"

    return shown


# What is known of the event while its page is made: its fields are asked several times each.
_known: ContextVar[dict[int, Situation] | None] = ContextVar("known_situations", default=None)


class EventPageMixin(ModelAdminMixin):
    """The fields of an event's page."""

    readonly_fields = (
        "reason_in_words", "order_now", "payment_now", "named_orders", "orders_with_its_payment_id", "status_now",
        "whole_references", "other_references", "raw_body", "raw_headers",
        *dict.fromkeys(name for names in (*AMOUNTS.values(), OTHER_AMOUNTS) for name in names),
    )  # fmt: skip
    paid, expected = _amount("Paid"), _compared("Expected")
    tried_to_pay = _amount("Tried to pay")
    given_back, whole_payment = _amount("Given back"), _compared("Payment's amount")
    not_given_back = _amount("Refund that failed")
    disputed = _amount("Disputed")
    amount_told = _amount("Amount")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        amounts = AMOUNTS.get(obj.kind, OTHER_AMOUNTS) if obj else OTHER_AMOUNTS
        return (
            ("At a glance", {"fields": ("reason_in_words", *amounts, *TO_JUDGE)}),
            ("What it says", {"fields": SAYS}),
            ("Processing", {"fields": PROCESSING}),
            ("Raw parts", {"fields": RAW}),
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        reset = _known.set({})
        try:
            response = super().changeform_view(request, object_id, form_url, extra_context)
            return response.render() if isinstance(response, TemplateResponse) else response
        finally:
            _known.reset(reset)

    def status_line(self, row: Any) -> str:
        reason = explanations.why(_read(row))
        status = f"{row.get_kind_display()}, {row.get_status_display()}".capitalize()
        return f"{status}: {reason}." if reason else f"{status}."

    @admin.display(description="Why")
    def reason_in_words(self, event: WebhookEvent) -> str:
        return explanations.why(_read(event)) or "-"

    @admin.display(description="State")
    def status_now(self, event: WebhookEvent) -> str:
        return event.get_status_display()

    @admin.display(description="Order now")
    def order_now(self, event: WebhookEvent) -> str:
        order = _read(event).order
        return "None" if order is None else _state_of(order)

    @admin.display(description="Payment now")
    def payment_now(self, event: WebhookEvent) -> str:
        payment = _read(event).payment
        if payment is None:
            return "Not recorded"
        amount, back = (money.written(n, payment.currency) for n in (payment.amount, payment.refunded_amount))
        link = link_to(payment, payment.payment_id)
        return format_html("{}, {}, {} given back: {}", link, amount, back, payment.get_status_display())

    @admin.display(description="Orders that it names")
    def named_orders(self, event: WebhookEvent) -> str:
        """Link the orders with its order and hold ids."""
        orders = ((_state_of(order),) for order in _read(event).named)
        return format_html_join("; ", "{}", orders) or "None"

    @admin.display(description="Orders with this payment id")
    def orders_with_its_payment_id(self, event: WebhookEvent) -> str:
        """Link the orders with the event's payment id, proved or claimed; staff find out which of them it pays."""
        if not event.payment_ref:
            return "-"
        proofs = dict(proved_payments.orders_with(event.payment_ref))
        orders = Order.objects.select_related("product").in_bulk(proofs)
        links = (
            (_state_of(orders[order_id]), "proved" if is_proved else "claimed by its buyer")
            for order_id, is_proved in proofs.items()
        )
        return format_html_join("; ", "{} ({})", links) or "None"

    @admin.display(description="Ids")
    def whole_references(self, event: WebhookEvent) -> str:
        """Return the order, hold and payment ids that it names, whole."""
        names = {"order": event.order_ref, "hold": event.hold_ref, "payment": event.payment_ref}
        return ", ".join(f"{name} {value}" for name, value in names.items() if value) or "None"

    @admin.display(description="Refund and dispute")
    def other_references(self, event: WebhookEvent) -> str:
        names = {"refund": event.refund_ref, "dispute": event.dispute_ref, "reason": event.dispute_reason}
        return ", ".join(f"{name} {value}".replace("_", " ") if name == "reason" else f"{name} {value}"
                         for name, value in names.items() if value) or "None"  # fmt: skip

    @admin.display(description="Body")
    def raw_body(self, event: WebhookEvent) -> str:
        return _collapsed("What the provider sent", readable(event.body_text))

    @admin.display(description="Headers")
    def raw_headers(self, event: WebhookEvent) -> str:
        return _collapsed("With these headers", json.dumps(event.headers, indent=2))


def _read(event: WebhookEvent) -> Situation:
    """Return what is known of an event, read once for each page."""
    known = _known.get()
    if known is None:
        return explanations.read(event)
    if event.pk not in known:
        known[event.pk] = explanations.read(event)
    return known[event.pk]


def _state_of(order: Order) -> SafeString:
    """Return a link to an order with its state."""
    return format_html(
        "{}: {}, {}", link_to(order), money.written(order.total_amount, order.currency),
        order.status_at(clock.now()).label.lower(),
    )  # fmt: skip


def _collapsed(title: str, text: str) -> SafeString:
    return format_html('<details><summary>{}</summary><pre class="live-raw">{}</pre></details>', title, text)
