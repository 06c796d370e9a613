"""What requests may hold, as JSON Schema: stricter and freer than any serializer can say."""

from django.conf import settings

from checkout.models import CUSTOMER_ID_LENGTH, PAYMENT_ID_LENGTH
from flashsale.core.limits import MAX_ID, MAX_INTEGER
from payments.models import EVENT_ID_LENGTH

UUID = {"type": "string", "format": "uuid"}
# Text that PostgreSQL can store.
TEXT = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$"}
PLACE_HOLD = {
    "type": "object",
    "properties": {
        "product_id": {"type": "integer", "minimum": -MAX_ID, "maximum": MAX_ID},
        "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER, "description": "Units."},
        "qty": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER, "description": "The same as `quantity`."},
        "ttl": {
            "type": "integer",
            "minimum": settings.HOLD_TTL_MIN_SECONDS,
            "maximum": settings.HOLD_TTL_MAX_SECONDS,
            "default": settings.HOLD_TTL_SECONDS,
            "description": "For how many seconds the units are set aside.",
        },
        "customer_id": TEXT
        | {
            "maxLength": CUSTOMER_ID_LENGTH,
            "description": "Whom `max_per_customer` counts for; required when the product has such a limit. It is what"
            " the caller says: the limit protects only where a trusted back end supplies it.",
        },
    },
    "required": ["product_id"],
    "oneOf": [{"required": ["quantity"]}, {"required": ["qty"]}],
}
PAYMENT_ID = {"type": ["string", "null"], "minLength": 1, "maxLength": PAYMENT_ID_LENGTH, "pattern": "^[^\\u0000]+$"}
PLACE_ORDER = {
    "type": "object",
    "properties": {
        "hold_id": UUID,
        "payment_id": PAYMENT_ID
        | {
            "description": "The provider's id for the payment, if there is one already. It is a claim, kept and echoed,"
            " unless a token with the scope `payments:claim` gives it."
        },
        "payment_intent_id": PAYMENT_ID | {"description": "The same as `payment_id`."},
    },
    "required": ["hold_id"],
    "not": {"required": ["payment_id", "payment_intent_id"]},
}
EVENT = {
    "type": "object",
    "properties": {
        "idempotency_key": TEXT
        | {"maxLength": EVENT_ID_LENGTH, "description": "The event's id; else the `webhook-id` header."},
        "status": {
            "description": "`success`, `failure` (or `failed`), `refunded`; anything else is stored and ignored."
        },
        "order_id": {"description": "Which order it is about: its UUID."},
        "hold_id": {"description": "Or the hold that it was, or will be, made of."},
        "payment_id": {"description": "Or the provider's id of the payment (`payment_intent_id` is accepted)."},
        "amount": {"description": "A number or a decimal string, in units of `currency`; checked when given."},
        "currency": {"description": "An ISO 4217 code in any case; checked when given."},
    },
    "required": ["idempotency_key"],
}
STRIPE_EVENT = {
    "type": "object",
    "properties": {
        "id": TEXT | {"maxLength": EVENT_ID_LENGTH, "description": "The event's id."},
        "type": {"description": "Such as `payment_intent.succeeded`; unknown types are stored and ignored."},
        "livemode": {"description": "Must be that of this shop (`STRIPE_LIVEMODE`)."},
        "data": {"description": "`object`: the payment intent, session, charge or refund."},
    },
    "required": ["id"],
}
