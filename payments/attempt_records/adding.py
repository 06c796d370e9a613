"""New attempts."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from checkout.models import Order
from flashsale.core import rows
from flashsale.core.transactions import defer_to_commit
from payments.models import PaymentAttempt
from payments.providers import PAYMENT_CLIENTS


def new(
    order: Order, *, number: int = 1, client_name: str, return_url: str, pay_until: datetime, now: datetime
) -> PaymentAttempt:
    """Return a new attempt for a locked order that has none running, to be asked for at once; `add` stores it."""
    return PaymentAttempt(
        order=order,
        number=number,
        provider=client_name,
        shop_id=settings.SHOP_ID,
        kind=PAYMENT_CLIENTS[client_name].kind(),
        amount=order.total_amount,
        currency=order.currency,
        return_url=return_url,
        pay_until=pay_until,
        created_at=now,
        next_ask_at=now,
        key_used_at=now,
    )


def add(attempts: Sequence[PaymentAttempt]) -> None:
    """Store new attempts with the COMMIT."""
    if attempts:
        defer_to_commit(rows.insertion(attempts))
