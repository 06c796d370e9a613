"""All that belongs to an order, read with a bounded number of queries."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from checkout import holds, orders
from checkout.serializers import HoldOut, OrderOut
from flashsale.core.staff.staff_log import entries_about
from payments.backoffice.serializers import HistoryEntryOut, ProviderEventOut
from payments.explanations import naming
from payments.models import Payment
from payments.serializers import RecordedPaymentOut

MAX_EVENTS = 100


def order_in_full(order_id: UUID) -> dict[str, Any]:
    """Return the members of an `OrderInFullOut`. Raises `NotFound`."""
    view = orders.get(order_id)
    hold = holds.get(view.order.hold_id)
    events = list(naming.events_of(view.order).defer("body", "headers")[:MAX_EVENTS])
    payments = list(with_refunds(Payment.objects.filter(order_id=order_id)).order_by("created_at", "pk"))
    refunds = [refund for payment in payments for refund in payment.refunds.all()]
    disputes = [dispute for payment in payments for dispute in payment.disputes.all()]
    entries = entries_about([view.order, hold.hold, *events, *payments, *refunds, *disputes])
    return OrderOut.data_of(view) | {
        "hold": HoldOut.data_of(hold),
        "payments": [RecordedPaymentOut.data_of(payment) for payment in payments],
        "events": [ProviderEventOut.data_of(event) for event in events],
        "history": [HistoryEntryOut.data_of(entry) for entry in entries],
    }


def with_refunds(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """Read with the payments what a `RecordedPaymentOut` and the history need."""
    return payments.prefetch_related("refunds", "disputes", "refund_requests__requested_by")
