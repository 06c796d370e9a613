"""Bodies of requests as JSON Schema, with limits that drf-spectacular does not derive from the serializers."""

from django.conf import settings

from catalog.imports.fields import MAX_DESCRIPTION_LENGTH
from catalog.models import NAME_LENGTH, NOTE_LENGTH
from catalog.queue_columns import MAX_ADMISSION_RATE, Queue
from catalog.validators import IMAGE_URL_LENGTH, SKU_LENGTH
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
JOIN_QUEUE = {
    "type": "object",
    "properties": {
        "customer_id": TEXT
        | {
            "maxLength": CUSTOMER_ID_LENGTH,
            "description": "The customer for whom a back end asks with its API token: one place in the draw on each"
            " device, and holds with the ticket need the same `customer_id`. Without a token it does not count.",
        },
    },
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
AMOUNT = {"type": "string", "pattern": r"^[0-9]{1,21}(\.[0-9]{1,3})?$", "example": "29.99"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
UNITS = {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER}
# What an edit of a product may change.
EDITABLE = {
    "name": TEXT | {"maxLength": NAME_LENGTH},
    "sku": TEXT
    | {
        "type": ["string", "null"], "maxLength": SKU_LENGTH,
        "description": "What the shop itself calls it, unlike all others: printable, without a blank at either end.",
    },
    "description": {"type": "string", "maxLength": MAX_DESCRIPTION_LENGTH, "pattern": "^[^\\u0000]*$"},
    "image_url": {
        "type": ["string", "null"], "format": "uri", "maxLength": IMAGE_URL_LENGTH,
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
        "description": "Where its picture is, over https or http, without a user's name; null: none.",
    },
    "price": AMOUNT | {"description": "Of one unit, with at most the currency's decimals; more than 0."},
    "currency": {"type": "string", "pattern": "^[A-Za-z]{3}$", "description": "ISO 4217 code."},
    "max_per_hold": UNITS | {"description": "The most units that one hold may have."},
    "max_per_customer": UNITS
    | {"type": ["integer", "null"], "description": "The most units that one `customer_id` may have; null: no limit."},
    "sale_starts_at": MOMENT | {"description": "Null: as soon as it is published."},
    "sale_ends_at": MOMENT | {"description": "After the start; null: never."},
    "queue": {
        "type": "string", "enum": Queue.values,
        "description": "On: buyers wait in a queue and are admitted in the order of a draw. It needs a start.",
    },
    "queue_opens_at": MOMENT
    | {"description": "At least 5 minutes before the start; null: open as soon as the queue is on."},
    "admission_rate_max": {
        "type": ["integer", "null"], "minimum": 1, "maximum": MAX_ADMISSION_RATE,
        "description": "The most tickets that are admitted in a second; null: as many as the shop can take.",
    },
}  # fmt: skip
NEW_PRODUCT = {
    "type": "object",
    "properties": EDITABLE | {"stock": UNITS | {"minimum": 0, "description": "Units on sale."}},
    "required": ["name", "price", "currency", "stock"],
    "additionalProperties": False,
}
PRODUCT_CHANGES = {"type": "object", "properties": EDITABLE, "minProperties": 1, "additionalProperties": False}
NOTE = {
    "type": "object",
    "properties": {"note": TEXT | {"maxLength": NOTE_LENGTH, "description": "Why; it is kept in the history."}},
    "additionalProperties": False,
}
STOCK_ADJUSTMENT = {
    "type": "object",
    "properties": {
        "delta": {
            "type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER, "not": {"const": 0},
            "description": "Units to add; negative: to take away.",
        },
        "reason": TEXT | {"maxLength": NOTE_LENGTH, "description": "It is kept in the history."},
        "expected_total": UNITS
        | {"minimum": 0, "description": "The total that the change starts from; another one is refused."},
    },
    "required": ["delta", "reason"],
    "additionalProperties": False,
}  # fmt: skip
