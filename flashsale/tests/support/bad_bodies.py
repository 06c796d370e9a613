"""Bodies that the API refuses, and the check that a refused one changed nothing."""

from catalog.models import Stock
from checkout.models import Hold, Order
from payments.models import WebhookEvent

HOLDS, ORDERS, WEBHOOK = "/api/v1/holds", "/api/v1/orders", "/api/v1/payments/webhook"
JSON = "application/json"
UNPARSABLE = {
    "nothing but text": b"hello",
    "half an object": b'{"product_id": 1',
    "invalid UTF-8": b'{"product_id": "\xff"}',
    "UTF-16": '{"product_id": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"product_id": 1}',
    "a key twice": b'{"product_id": 1, "quantity": 1, "quantity": 2}',
    "a key twice further in": b'{"product_id": 1, "quantity": 1, "x": {"a": 1, "a": 2}}',
    "NaN": b'{"product_id": 1, "quantity": NaN}',
    "Infinity": b'{"product_id": 1, "quantity": -Infinity}',
    "deep arrays": b"[" * 5_000 + b"]" * 5_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "deep in an unknown field": b'{"product_id": 1, "quantity": 1, "x": ' + b"[" * 50 + b"]" * 50 + b"}",
}
NOT_OBJECTS = {"an array": b"[]", "a string": b'"x"', "a number": b"1", "null": b"null", "true": b"true"}


def assert_untouched(product) -> None:
    """Assert that the product has its 10 units, and that there is no hold, order or event."""
    stock = Stock.objects.get(pk=product.pk)
    assert (stock.total, stock.reserved, stock.sold) == (10, 0, 0)
    assert not Hold.objects.exists()
    assert not Order.objects.exists()
    assert not WebhookEvent.objects.exists()
