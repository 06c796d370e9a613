"""The look-ups of the search. Each is bounded, and reads the big tables by an index only.

Orders and holds are found by their id or its beginning, their customer and their payment; payments and events by their
whole ids. Products, endpoints and accounts are few, and are found by a part of their names, too, products by a part of
their SKU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model, Q, QuerySet

from catalog.models import Product
from checkout import proved_payments
from checkout.models import Hold, Order
from flashsale.core.staff.search import has_uuid
from flashsale.outbox import endpoints
from flashsale.outbox.models import Endpoint, Event, parse_shown_id
from flashsale.staff.search.terms import Term
from payments.models import Payment, PaymentAttempt, WebhookEvent
from payments.providers import PROVIDERS

MAX_EACH = 8


@dataclass(frozen=True)
class Lookup:
    """How rows of one model are found, and the icon that they are shown with."""

    model: type[Model]
    icon: str
    find: Callable[[Term], list[Any]]


def _orders(term: Term) -> list[Order]:
    rows = Order.objects.select_related("product")
    of_payment = [order_id for order_id, _ in proved_payments.orders_with(term.text)]
    attempts = PaymentAttempt.objects.filter(provider__in=PROVIDERS, object_id=term.text)
    return _first(
        _by_uuid(rows, term),
        rows.filter(pk__in=[*of_payment, *attempts.values_list("order_id", flat=True)]),
        rows.filter(customer_id=term.text).order_by("-created_at"),
    )


def _holds(term: Term) -> list[Hold]:
    rows = Hold.objects.select_related("product")
    of_payment = [order_id for order_id, _ in proved_payments.orders_with(term.text)]
    return _first(
        _by_uuid(rows, term),
        rows.filter(order__in=of_payment),
        rows.filter(customer_id=term.text).order_by("-created_at"),
    )


def _payments(term: Term) -> list[Payment]:
    return _first(Payment.objects.filter(provider__in=PROVIDERS, payment_id=term.text).order_by())


def _events(term: Term) -> list[WebhookEvent]:
    return _first(WebhookEvent.objects.filter(provider__in=PROVIDERS, event_id=term.text).order_by().defer("body"))


def _products(term: Term) -> list[Product]:
    by_id = Product.objects.filter(pk=term.number) if term.number else Product.objects.none()
    by_part = Product.objects.filter(Q(name__icontains=term.text) | Q(sku__icontains=term.text))
    return _first(by_id, Product.objects.filter(sku=term.text), by_part.order_by("name", "pk"))


def _accounts(term: Term) -> list[User]:
    names = ("username", "first_name", "last_name", "email")
    has_name = Q(*((f"{name}__icontains", term.text) for name in names), _connector=Q.OR)
    return _first(User.objects.filter(has_name).order_by("username"))


def _shop_events(term: Term) -> list[Event]:
    public_id = parse_shown_id(term.text)
    return _first(Event.objects.filter(public_id=public_id).defer("body")) if public_id else []


def _endpoints(term: Term) -> list[Endpoint]:
    has_part = Q(url__icontains=term.text) | Q(description__icontains=term.text)
    return _first(_by_uuid(endpoints.present(), term), endpoints.present().filter(has_part))


LOOKUPS = (
    Lookup(Order, "receipt_long", _orders),
    Lookup(Hold, "shopping_basket", _holds),
    Lookup(Payment, "payments", _payments),
    Lookup(WebhookEvent, "webhook", _events),
    Lookup(Event, "notifications", _shop_events),
    Lookup(Product, "sell", _products),
    Lookup(Endpoint, "hub", _endpoints),
    Lookup(User, "person", _accounts),
)


def _by_uuid(rows: QuerySet[Any], term: Term) -> QuerySet[Any]:
    is_row = has_uuid(term.text)
    return rows.none() if is_row is None else rows.filter(is_row).order_by("pk")


def _first(*queries: QuerySet[Any]) -> list[Any]:
    """Return the first `MAX_EACH` rows of these queries, each row once; a query runs only while there is room."""
    found: dict[Any, Any] = {}
    for query in queries:
        if len(found) < MAX_EACH:
            found |= {row.pk: row for row in query[:MAX_EACH] if row.pk not in found}
    return list(found.values())[:MAX_EACH]
