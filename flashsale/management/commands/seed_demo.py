"""`manage.py seed_demo`: demo products and a staff account for a local system, once."""

import json
import secrets
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from catalog import products
from catalog.models import Product
from checkout import holds, orders
from payments import inbox
from payments.providers import PROVIDERS

STAFF_NAME = "admin"
PASSWORD_BYTES = 12


class Command(BaseCommand):
    help = "Add demo products and a staff account to a local system. Does nothing when they are there."

    def handle(self, **options) -> None:
        if not settings.LOCAL_MODE:
            raise CommandError("Demo data belongs to local mode only.")
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        for product in _demo_products():
            if not Product.objects.filter(Q(name=product["name"]) | Q(sku=product["sku"])).exists():
                _add(**product)
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        users.create_superuser(STAFF_NAME, password=password)
        self.stdout.write(f"Staff account of this system: {STAFF_NAME} / {password} (shown only now)")


def _demo_products() -> list[dict]:
    starts_at = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=7)
    return [
        {
            "name": "Flash Sale Widget",
            "sku": "WIDGET-1",
            "description": "The one everybody wants: 100 units, once.",
            "price": Decimal("29.99"),
            "currency": "USD",
            "stock": 100,
        },
        {
            "name": "Midnight Sneaker",
            "sku": "SNEAKER-MIDNIGHT",
            "description": "Drops in a week, for two hours.",
            "price": Decimal("129.00"),
            "currency": "EUR",
            "stock": 500,
            "sale_starts_at": starts_at,
            "sale_ends_at": starts_at + timedelta(hours=2),
        },
        {
            "name": "First Edition Print",
            "sku": "PRINT-1ST",
            "description": "Three were made, three were sold.",
            "price": Decimal(12000),
            "currency": "JPY",
            "stock": 3,
            "is_to_be_sold_out": True,
        },
        {
            "name": "Signed Record",
            "sku": "RECORD-SIGNED",
            "description": "Two for each customer.",
            "price": Decimal("39.50"),
            "currency": "EUR",
            "stock": 50,
            "max_per_hold": 2,
            "max_per_customer": 2,
        },
    ]


def _add(*, is_to_be_sold_out: bool = False, **fields) -> None:
    product = products.add(**fields)
    if is_to_be_sold_out:
        for number in range(1, fields["stock"] + 1):
            _buy_one(product, payment_id=f"pay_demo_{product.pk}_{number}")


def _buy_one(product: Product, *, payment_id: str) -> None:
    hold = holds.place(product_id=product.pk, quantity=1)
    order = orders.place(hold_id=hold.pk, payment_id=payment_id)
    key = f"demo-{payment_id}"
    paid = {"idempotency_key": key, "status": "success", "order_id": str(order.pk), "payment_id": payment_id}
    body = json.dumps(paid).encode()
    provider = PROVIDERS["standard"]
    inbox.receive(provider, body=body, headers=provider.sign(body, message_id=key))
