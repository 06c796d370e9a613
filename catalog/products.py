"""Products: added and published by staff."""

from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError

from catalog import inventory
from catalog.models import DEFAULT_MAX_PER_HOLD, Product
from flashsale.core.http import MAX_INTEGER
from flashsale.core.transactions import durable


@durable
def add(
    *,
    name: str,
    price: Decimal,
    currency: str,
    stock: int,
    description: str = "",
    max_per_hold: int = DEFAULT_MAX_PER_HOLD,
    max_per_customer: int | None = None,
    sale_starts_at: datetime | None = None,
    sale_ends_at: datetime | None = None,
    made_by: AbstractBaseUser | None = None,
) -> Product:
    """Add and publish a product with `stock` units; raises `ValidationError` naming each wrong field."""
    product = Product(
        name=name,
        description=description,
        price=price,
        currency=currency,
        is_published=True,
        max_per_hold=max_per_hold,
        max_per_customer=max_per_customer,
        sale_starts_at=sale_starts_at,
        sale_ends_at=sale_ends_at,
    )
    product.full_clean()
    if not 0 <= stock <= MAX_INTEGER:
        raise ValidationError({"stock": f"Stock must be between 0 and {MAX_INTEGER} units."})
    product.save()
    inventory.open_stock(product, units=stock, made_by=made_by)
    return product
