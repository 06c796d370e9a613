"""Changes of products by staff and the shop's back end: add, edit, publish, withdraw, pause, resume.

The only writer of `Product`: with each change goes an event for the shop's back end.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from catalog import inventory, product_events, skus, snapshots
from catalog.models import Product
from flashsale.core import clock, money
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction
from flashsale.outbox.kinds import EventType

# The columns that an edit may change. Publishing, pausing and the stock have verbs of their own.
EDITABLE = (
    "name", "sku", "description", "image_url", "price", "currency", "max_per_hold", "max_per_customer",
    "sale_starts_at", "sale_ends_at", "queue", "queue_opens_at", "admission_rate_max",
)  # fmt: skip


class Change(StrEnum):
    """The verbs that bring a product into a state; `ensure` takes their names."""

    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True)
class Outcome:
    """A product in the requested state; it was in it already unless `is_changed`."""

    product: Product
    is_changed: bool


class NothingToDo(Refusal):
    """The product is in the requested state already; `detail` says which."""

    code = "nothing_to_do"
    title = "Nothing to do"


class ChangedMeanwhile(Refusal):
    """What is to be edited is not as its editor has seen it; nothing was changed."""

    code = "precondition_failed"
    title = "Precondition failed"


@retrying_transaction
def add(*, stock: int, made_by: User | None = None, **columns: Any) -> Product:
    """Add and publish a product with `stock` units and these columns of `Product`.

    Raises `ValidationError` naming each wrong field.
    """
    product, units = _validated(stock=stock, is_published=True, **columns)
    insert(product, units=units, made_by=made_by)
    product_events.record_published([product])
    return product


@retrying_transaction_once
def add_unpublished(*, stock: int, made_by: User | None = None, **columns: Any) -> Product:
    """Do what `add` does without publishing the product: customers do not find it until `publish`."""
    product, units = _validated(stock=stock, is_published=False, **columns)
    insert(product, units=units, made_by=made_by)
    return product


def add_all(rows: Iterable[dict[str, Any]], *, made_by: User | None = None) -> list[Product]:
    """Add and publish products, all of them or none; each row is what `add` takes. Raises `ValidationError`.

    Constraints are checked by the INSERT: `full_clean` would query the database for each row, which takes minutes.
    """
    validated = [_validated(**row, is_published=True, validate_constraints=False) for row in rows]
    return _insert_all(validated, made_by=made_by)


@retrying_transaction_once
def _insert_all(validated: list[tuple[Product, int]], *, made_by: User | None) -> list[Product]:
    skus.refuse_used([product.sku for product, _ in validated if product.sku])
    products = Product.objects.bulk_create([product for product, _ in validated], batch_size=inventory.BATCH_ROWS)
    inventory.open_all(validated, made_by=made_by)
    product_events.record_published(products)
    return products


def insert(product: Product, *, units: int, made_by: User | None) -> None:
    """Store a new, validated product with a stock of `units`. Runs inside a transaction."""
    product.save()
    inventory.open_stock(product, units=units, made_by=made_by)


def _validated(*, stock: int, validate_constraints: bool = True, **columns: Any) -> tuple[Product, int]:
    """Return a new product and its units. Validating constraints locks SKUs, and so runs inside a transaction."""
    product = Product(**columns)
    if validate_constraints and product.sku:
        skus.lock()
    product.full_clean(validate_constraints=validate_constraints)
    if not 0 <= stock <= MAX_INTEGER:
        raise ValidationError({"stock": f"Stock must be between 0 and {MAX_INTEGER} units."})
    return product, stock


def version_of(product: Product) -> str:
    """Return a name of the values that the editable columns have: equal values, and only these, have the same one.

    Counters, publishing and pausing do not change it, so that an edit is refused only because of another edit.
    """
    values = {column: _canonical(getattr(product, column), product) for column in EDITABLE}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _canonical(value: Any, product: Product) -> Any:
    """Return a value in the one way in which it is compared, however it was written."""
    if isinstance(value, Decimal):
        return money.render(value, product.currency)
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


@retrying_transaction_once
def edit(product_id: int, *, expected: Collection[str] | None, changes: Mapping[str, Any]) -> Product:
    """Set editable columns of a product whose version (`version_of`) is one of `expected`; None: any version.

    Raises `NotFound`, `ChangedMeanwhile`, and `ValidationError` naming each wrong column.
    """
    if changes.get("sku"):
        skus.lock()
    product = lock_for_edit(product_id)
    if expected is not None and version_of(product) not in expected:
        raise ChangedMeanwhile("The product was changed since you read it. Nothing was saved: read it again.")
    before = {column: getattr(product, column) for column in EDITABLE}
    for column in before.keys() & changes.keys():
        setattr(product, column, changes[column])
    product.full_clean()
    save_edited(product, columns=[column for column in EDITABLE if getattr(product, column) != before[column]])
    return product


def lock_for_edit(product_id: int) -> Product:
    """Lock a product that is edited until the transaction ends; return it as it is now. Raises `NotFound`."""
    return _lock(product_id)


def save_edited(product: Product, *, columns: Collection[str]) -> None:
    """Save the columns that an edit has changed, and no others: a pause meanwhile is kept.

    Runs inside the transaction that called `lock_for_edit`. Without any columns nothing is written.
    """
    if columns:
        product.save(update_fields=[*columns, "updated_at"])
        snapshots.invalidate(product.pk)
        product_events.record_changed(product, columns)


@retrying_transaction_once
def publish(product_id: int) -> Product:
    """Make a product visible to customers. Raises `NotFound`, `NothingToDo`."""
    return _bring_about(Change.PUBLISH, product_id)


@retrying_transaction_once
def withdraw(product_id: int) -> Product:
    """Hide a product from customers; holds and orders stay as they are. Raises `NotFound`, `NothingToDo`."""
    return _bring_about(Change.WITHDRAW, product_id)


@retrying_transaction_once
def pause(product_id: int) -> Product:
    """Refuse new holds until `resume`; holds and orders stay as they are. Raises `NotFound`, `NothingToDo`."""
    return _bring_about(Change.PAUSE, product_id)


@retrying_transaction_once
def resume(product_id: int) -> Product:
    """Accept new holds again after `pause`. Raises `NotFound`, `NothingToDo`."""
    return _bring_about(Change.RESUME, product_id)


@retrying_transaction_once
def ensure(change: Change, product_id: int) -> Outcome:
    """Do what the verb of this name does; leave a product that is in the requested state as it is. Raises `NotFound`.

    For programs, which repeat requests: to find the state there is no failure to them.
    """
    try:
        return Outcome(_bring_about(change, product_id), is_changed=True)
    except NothingToDo:
        return Outcome(_lock(product_id), is_changed=False)


@retrying_transaction_once
def limit_admission(product_id: int, *, rate_max: int | None) -> Product:
    """Let a product's queue admit at most so many buyers a second; None: no limit. Raises `NotFound`, `NothingToDo`.

    No place in the queue changes.
    """
    product = _lock(product_id)
    if product.admission_rate_max == rate_max:
        raise NothingToDo("This is its limit already.")
    product.admission_rate_max = rate_max
    save_edited(product, columns=["admission_rate_max"])
    return product


def _bring_about(change: Change, product_id: int) -> Product:
    product = _lock(product_id)
    if change in (Change.PUBLISH, Change.WITHDRAW):
        return _set_published(product, to=change == Change.PUBLISH)
    return _set_paused(product, to=change == Change.PAUSE)


def _set_published(product: Product, *, to: bool) -> Product:
    if product.is_published == to:
        raise NothingToDo("It is published already." if to else "It is not published.")
    product.is_published = to
    return _save(product, "is_published", EventType.PRODUCT_PUBLISHED if to else EventType.PRODUCT_WITHDRAWN)


def _set_paused(product: Product, *, to: bool) -> Product:
    if bool(product.paused_at) == to:
        raise NothingToDo("The sale is paused already." if to else "The sale is not paused.")
    product.paused_at = clock.now() if to else None
    return _save(product, "paused_at", EventType.PRODUCT_PAUSED if to else EventType.PRODUCT_RESUMED)


def _save(product: Product, column: str, event_type: EventType) -> Product:
    product.save(update_fields=[column, "updated_at"])
    snapshots.invalidate(product.pk)
    product_events.record(event_type, product)
    return product


def _lock(product_id: int) -> Product:
    product = product_events.lock(product_id)
    if product is None:
        raise NotFound("There is no such product.")
    return product
