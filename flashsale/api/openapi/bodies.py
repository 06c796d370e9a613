"""Bodies of requests as JSON Schema, with limits that drf-spectacular does not derive from the serializers."""

from django.conf import settings

from checkout.models import (
    CUSTOMER_ID_LENGTH,
    MAX_METADATA_MEMBERS,
    METADATA_NAME_LENGTH,
    METADATA_TEXT_LENGTH,
    PAYMENT_ID_LENGTH,
)
from flashsale.core.limits import MAX_ID, MAX_INTEGER
from payments.models import URL_LENGTH

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
            "description": "The customer whose units `max_per_customer` limits; required when the product has such a"
            " limit. It is not verified: the limit protects only where a trusted back end supplies it.",
        },
    },
    "required": ["product_id"],
    "oneOf": [{"required": ["quantity"]}, {"required": ["qty"]}],
}
START_PAYMENT = {
    "type": "object",
    "properties": {
        "return_url": {
            "type": "string", "format": "uri", "minLength": 1, "maxLength": URL_LENGTH,
            "description": "Where hosted checkout sends the buyer back to: https, and a host of the shop.",
        },
    },
    "additionalProperties": False,
}  # fmt: skip
PAYMENT_ID = {"type": ["string", "null"], "minLength": 1, "maxLength": PAYMENT_ID_LENGTH, "pattern": "^[^\\u0000]+$"}
PLACE_ORDER = {
    "type": "object",
    "properties": {
        "hold_id": UUID,
        "payment_id": PAYMENT_ID
        | {
            "description": "The provider's id for the payment, if there is one already. It is stored and returned. It"
            " pays the order only when it is proved: by a token with the scope `payments:claim`, or by a payment event"
            " that also names the order or the hold."
        },
        "payment_intent_id": PAYMENT_ID | {"description": "The same as `payment_id`."},
        "metadata": {
            "type": "object",
            "maxProperties": MAX_METADATA_MEMBERS,
            "propertyNames": {"minLength": 1, "maxLength": METADATA_NAME_LENGTH, "pattern": "^[^\\u0000]+$"},
            "additionalProperties": {
                "type": "string", "maxLength": METADATA_TEXT_LENGTH, "pattern": "^[^\\u0000]*$",
            },
            "description": "What you want to find again with the order, such as your cart's number: kept, returned,"
            " and never interpreted. Each client that knows the order's id can read it.",
        },
    },
    "required": ["hold_id"],
    "not": {"required": ["payment_id", "payment_intent_id"]},
}  # fmt: skip
