"""Products in the search of holds and orders."""

from collections.abc import Iterable

from django.db.models import Q

from catalog.models import Product
from flashsale.core import identifiers

# How many products with a text in their names are looked for.
MAX_NAMED = 200


def by_product_id(text: str) -> Iterable[Q]:
    """Yield the condition that a product's id is this number, if the text is one."""
    product_id = identifiers.parse_id(text)
    if product_id is not None:
        yield Q(product_id=product_id)


def by_product_name(text: str) -> Iterable[Q]:
    """Yield the condition that a product's name contains this text: one of the newest `MAX_NAMED` of them.

    The names of all products are read, of which there are thousands.
    """
    named = Product.objects.filter(name__icontains=text).order_by("-pk").values_list("pk", flat=True)[:MAX_NAMED]
    if product_ids := list(named):
        yield Q(product_id__in=product_ids)
