"""What an order's answer shows of its payment."""

from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject

from payments.models import PaymentAttempt


def shown_payment() -> Subquery:
    """Return the expression of what an order's answer shows of its last attempt, without secrets: see `PaymentView`."""
    of_order = PaymentAttempt.objects.filter(order=OuterRef("pk")).order_by("-number")
    members = JSONObject(provider="provider", kind="kind", status="status", pay_until="pay_until")
    return Subquery(of_order.values(shown=members)[:1])
