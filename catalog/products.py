"""Products: added and published by staff."""

from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError

from catalog import inventory
from catalog.models import DEFAULT_MAX_PER_HOLD, Product
from flashsale.core import clock
from flashsale.core.http import MAX_INTEGER
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.transactions import durable


class NothingToDo(Refusal):
    """The product is already as it was to become; `detail` says how."""

    code = "nothing_to_do"
    title = "Nothing to do"


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


@durable
def publish(product_id: int) -> Product:
    """Let customers find a product. Raises `NotFound`, `NothingToDo`."""
    return _set_published(product_id, to=True)


@durable
def withdraw(product_id: int) -> Product:
    """Let customers find a product no more; holds and orders stay as they are. Raises `NotFound`, `NothingToDo`."""
    return _set_published(product_id, to=False)


@durable
def pause(product_id: int) -> Product:
    """Refuse new holds until `resume`; holds and orders stay as they are. Raises `NotFound`, `NothingToDo`."""
    product = _lock(product_id)
    if product.paused_at:
        raise NothingToDo("The sale is paused already.")
    product.paused_at = clock.now()
    product.save(update_fields=["paused_at", "updated_at"])
    return product


@durable
def resume(product_id: int) -> Product:
    """Let a paused sale go on. Raises `NotFound`, `NothingToDo`."""
    product = _lock(product_id)
    if not product.paused_at:
        raise NothingToDo("The sale is not paused.")
    product.paused_at = None
    product.save(update_fields=["paused_at", "updated_at"])
    return product


def _set_published(product_id: int, *, to: bool) -> Product:
    product = _lock(product_id)
    if product.is_published == to:
        raise NothingToDo("It is published already." if to else "It is not published.")
    product.is_published = to
    product.save(update_fields=["is_published", "updated_at"])
    return product


def _lock(product_id: int) -> Product:
    product = Product.objects.select_for_update(no_key=True, of=("self",)).filter(pk=product_id).first()
    if product is None:
        raise NotFound("There is no such product.")
    return product
