"""SKUs (stock keeping units): what the shop itself calls its products, each unlike all others where there is one."""

from collections import Counter
from collections.abc import Collection

from django.core.exceptions import ValidationError

from catalog.models import Product
from flashsale.core import advisory_locks

LOCK = "catalog.skus"
# How many SKUs a refusal names.
MAX_NAMED = 5


def lock() -> None:
    """Lock the SKUs of all products until the transaction ends, before one is given: what is looked up then stays true.

    Products are added and edited rarely. Taken before the lock on a product's row.
    """
    advisory_locks.lock([LOCK])


def in_use(skus: Collection[str]) -> set[str]:
    """Return those of these SKUs that a product has."""
    if not skus:
        return set()
    return {sku for sku in Product.objects.filter(sku__in=skus).values_list("sku", flat=True) if sku}


def refuse_used(skus: Collection[str]) -> None:
    """Lock the SKUs of all products, and raise `ValidationError` where one of these is used, or given twice."""
    if not skus:
        return
    lock()
    repeated = {sku for sku, count in Counter(skus).items() if count > 1}
    if used := sorted(in_use(skus) | repeated):
        more = ", ..." if len(used) > MAX_NAMED else ""
        raise ValidationError({"sku": f"Other products have these SKUs: {', '.join(used[:MAX_NAMED])}{more}."})
