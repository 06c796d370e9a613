"""Staff's changes of products: add, publish, withdraw, pause, resume."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from catalog import inventory, snapshots
from catalog.models import Product
from flashsale.core import clock
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction


class NothingToDo(Refusal):
    """The product is in the requested state already; `detail` says which."""

    code = "nothing_to_do"
    title = "Nothing to do"


@retrying_transaction
def add(*, stock: int, made_by: User | None = None, **columns: Any) -> Product:
    """Add and publish a product with `stock` units and these columns of `Product`.

    Raises `ValidationError` naming each wrong field.
    """
    product, units = _validated(stock=stock, **columns)
    product.save()
    inventory.open_stock(product, units=units, made_by=made_by)
    return product


def add_all(rows: Iterable[dict[str, Any]], *, made_by: User | None = None) -> list[Product]:
    """Add and publish products, all of them or none; each row is what `add` takes. Raises `ValidationError`.

    Constraints are checked by the INSERT: `full_clean` would query the database for each row, which takes minutes.
    """
    validated = [_validated(**row, validate_constraints=False) for row in rows]
    return _insert_all(validated, made_by=made_by)


@retrying_transaction_once
def _insert_all(validated: list[tuple[Product, int]], *, made_by: User | None) -> list[Product]:
    products = Product.objects.bulk_create([product for product, _ in validated], batch_size=inventory.BATCH_ROWS)
    inventory.open_all(validated, made_by=made_by)
    return products


def _validated(*, stock: int, validate_constraints: bool = True, **columns: Any) -> tuple[Product, int]:
    product = Product(is_published=True, **columns)
    product.full_clean(validate_constraints=validate_constraints)
    if not 0 <= stock <= MAX_INTEGER:
        raise ValidationError({"stock": f"Stock must be between 0 and {MAX_INTEGER} units."})
    return product, stock


def lock_for_edit(product_id: int) -> Product:
    """Lock a product that a form edits until the transaction ends; return it as it is now. Raises `NotFound`."""
    return _lock(product_id)


@retrying_transaction_once
def publish(product_id: int) -> Product:
    """Make a product visible to customers. Raises `NotFound`, `NothingToDo`."""
    return _set_published(product_id, to=True)


@retrying_transaction_once
def withdraw(product_id: int) -> Product:
    """Hide a product from customers; holds and orders stay as they are. Raises `NotFound`, `NothingToDo`."""
    return _set_published(product_id, to=False)


@retrying_transaction_once
def pause(product_id: int) -> Product:
    """Refuse new holds until `resume`; holds and orders stay as they are. Raises `NotFound`, `NothingToDo`."""
    product = _lock(product_id)
    if product.paused_at:
        raise NothingToDo("The sale is paused already.")
    product.paused_at = clock.now()
    return _save(product, "paused_at")


@retrying_transaction_once
def resume(product_id: int) -> Product:
    """Accept new holds again after `pause`. Raises `NotFound`, `NothingToDo`."""
    product = _lock(product_id)
    if not product.paused_at:
        raise NothingToDo("The sale is not paused.")
    product.paused_at = None
    return _save(product, "paused_at")


def _set_published(product_id: int, *, to: bool) -> Product:
    product = _lock(product_id)
    if product.is_published == to:
        raise NothingToDo("It is published already." if to else "It is not published.")
    product.is_published = to
    return _save(product, "is_published")


def _save(product: Product, column: str) -> Product:
    product.save(update_fields=[column, "updated_at"])
    snapshots.invalidate(product.pk)
    return product


def _lock(product_id: int) -> Product:
    product = Product.objects.select_for_update(no_key=True, of=("self",)).filter(pk=product_id).first()
    if product is None:
        raise NotFound("There is no such product.")
    return product
