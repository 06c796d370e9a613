"""What the shop writes at Stripe for a payment: equal for equal idempotency keys, whenever it is sent.

Source: https://docs.stripe.com/api/payment_intents/create, https://docs.stripe.com/api/checkout/sessions/create.
"""

from datetime import datetime, timedelta
from typing import Any

from payments.models import PaymentAttempt
from payments.providers.stripe.limits import minor_units

# Cards are confirmed or declined at once, with the wallets that hold cards. `automatic_payment_methods` would add
# debits that take days, even with redirects ruled out, and an order's units are not reserved for days.
PAYMENT_METHODS = ["card"]
# A session that this shop cannot expire, because it is gone, ends by itself; not before the shop would close it. Stripe
# takes no less than 30 minutes and no more than 24 hours from the request on, which may come a while after the key was
# first used, and goes by another clock.
SHORTEST_LIFE = timedelta(hours=1)
LONGEST_LIFE = timedelta(hours=24) - timedelta(minutes=10)
AFTER_ITS_CLOSING = timedelta(minutes=35)


def metadata_of(attempt: PaymentAttempt) -> dict[str, str]:
    """Return what tells the shop's payments from those of other shops and restored copies in the same account."""
    return {
        "order_id": str(attempt.order_id),
        "hold_id": str(attempt.order.hold_id),
        "attempt_id": str(attempt.pk),
        "shop_id": attempt.shop_id,
    }


def _session_ends_at(attempt: PaymentAttempt) -> datetime:
    wanted = max(attempt.key_used_at + SHORTEST_LIFE, attempt.pay_until + AFTER_ITS_CLOSING)
    return min(wanted, attempt.key_used_at + LONGEST_LIFE)


def of_intent(attempt: PaymentAttempt) -> dict[str, Any]:
    """Return the parameters of an attempt's payment intent."""
    return {
        "amount": minor_units(attempt.amount, attempt.currency),
        "currency": attempt.currency.lower(),
        "payment_method_types": PAYMENT_METHODS,
        "description": f"Order {attempt.order_id}",
        "metadata": metadata_of(attempt),
    }


def of_session(attempt: PaymentAttempt) -> dict[str, Any]:
    """Return the parameters of an attempt's checkout session."""
    order, metadata = attempt.order, metadata_of(attempt)
    price = {
        "currency": attempt.currency.lower(),
        "unit_amount": minor_units(order.unit_price, attempt.currency),
        "product_data": {"name": order.product.name},
    }
    return {
        "mode": "payment",
        "client_reference_id": str(attempt.order_id),
        "line_items": [{"price_data": price, "quantity": order.quantity}],
        "payment_method_types": PAYMENT_METHODS,
        "success_url": attempt.return_url,
        "cancel_url": attempt.return_url,
        "expires_at": int(_session_ends_at(attempt).timestamp()),
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata, "description": f"Order {attempt.order_id}"},
    }
