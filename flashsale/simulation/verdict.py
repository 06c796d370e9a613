"""The checks after a simulated sale: answers against the database, units and payments accounted for."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet, Sum

from catalog.models import Product
from checkout import audit
from checkout.models import Hold, Order
from flashsale.simulation.client import Journal
from payments import payment_records
from payments.models import Payment, PaymentAttempt, WebhookEvent

VISIBLE_TO_STAFF = [WebhookEvent.Status.NEEDS_REVIEW, WebhookEvent.Status.DEAD, WebhookEvent.Status.PARKED]
UNPROCESSED = [WebhookEvent.Status.RECEIVED, WebhookEvent.Status.FAILED]


@dataclass(frozen=True)
class Books:
    """The product's units: `sold` and `reserved` from its orders and holds, `total` and `free` from its counters."""

    total: int
    sold: int
    reserved: int
    free: int
    refunds_due: int
    needs_review: int


def read_books(product_id: int) -> Books:
    """Return the product's counters, and how many payments and events of it wait for staff."""
    product = Product.objects.select_related("stock").get(pk=product_id)
    active = product.holds.filter(status=Hold.Status.ACTIVE)
    pending = product.orders.filter(status=Order.Status.PENDING_PAYMENT)
    paid = product.orders.filter(status=Order.Status.PAID)
    return Books(
        total=product.stock.total,
        sold=_units_in(paid) - _restocked_in(paid),
        reserved=_units_in(active) + _units_in(pending),
        free=product.stock.free,
        refunds_due=payment_records.due().filter(order__product=product).count(),
        needs_review=WebhookEvent.objects.filter(status__in=VISIBLE_TO_STAFF, order__product=product).count(),
    )


def count_unfinished() -> int:
    """Return how many webhook events, and payments that are being made or closed, the workers have yet to finish."""
    attempts = PaymentAttempt.objects.filter(status__in=[PaymentAttempt.Status.CREATING, PaymentAttempt.Status.CLOSING])
    return WebhookEvent.objects.filter(status__in=UNPROCESSED).count() + attempts.count()


def broken_promises(product_id: int, journal: Journal) -> list[str]:
    """Return a sentence for each promise of this shop that the sale broke; an empty list is a good sale."""
    return [
        *(f"The books are wrong: {drift}" for drift in audit.find_drift()),
        *_units(product_id),
        *_answers(journal),
        *_money(journal),
        *(f"The server failed: {error}" for error in journal.server_errors[:5]),
        *([f"{journal.gave_up} shoppers never got a definite answer"] if journal.gave_up else []),
    ]


def _units(product_id: int) -> list[str]:
    books = read_books(product_id)
    accounted = books.sold + books.reserved + books.free
    sentences = []
    if books.sold + books.reserved > books.total:
        sentences.append(f"Oversold: {books.sold} sold and {books.reserved} reserved of {books.total}")
    if accounted != books.total:
        sentences.append(f"{accounted} units are accounted for, {books.total} are for sale")
    return sentences


def _units_in(rows: QuerySet) -> int:
    return rows.aggregate(units=Sum("quantity"))["units"] or 0


def _restocked_in(orders: QuerySet[Order]) -> int:
    return orders.aggregate(units=Sum("restocked_units"))["units"] or 0


def _answers(journal: Journal) -> list[str]:
    """Everything answered with 2xx is in the database."""
    holds = {str(pk) for pk in Hold.objects.filter(pk__in=_uuids(journal.holds)).values_list("pk", flat=True)}
    orders = {str(pk) for pk in Order.objects.filter(pk__in=_uuids(journal.orders)).values_list("pk", flat=True)}
    paid = Order.objects.filter(pk__in=_uuids(journal.paid_orders), status=Order.Status.PAID).count()
    events = set(
        WebhookEvent.objects.filter(event_id__in=journal.events, provider="standard").values_list("event_id", flat=True)
    )
    lost = {
        "holds": len(set(journal.holds) - holds),
        "orders": len(journal.orders - orders),
        "orders that were paid": len(journal.paid_orders) - paid,
        "webhook events": len(journal.events - events),
    }
    return [f"{count} {what} were answered with success and are lost" for what, count in lost.items() if count]


def _money(journal: Journal) -> list[str]:
    """Every payment is applied, due for refund, refunded, or waits where staff see it."""
    recorded = set(Payment.objects.filter(payment_id__in=journal.money_taken).values_list("payment_id", flat=True))
    waiting = set(
        WebhookEvent.objects.filter(payment_ref__in=journal.money_taken, status__in=VISIBLE_TO_STAFF).values_list(
            "payment_ref", flat=True
        )
    )
    dropped = journal.money_taken - recorded - waiting
    return [f"{len(dropped)} payments were dropped, such as {sorted(dropped)[0]}"] if dropped else []


def _uuids(texts) -> list[UUID]:
    return [UUID(text) for text in texts]
