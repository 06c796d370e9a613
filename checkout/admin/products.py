"""Products in the search of holds and orders."""

from collections.abc import Iterable

from django.db.models import Q

from catalog.models import Product
from flashsale.core import identifiers

# How many products with a text in their names are looked for.
MAX_NAMED = 200


def by_product(text: str) -> Iterable[Q]:
    """Yield the conditions that a product's id is this number, if the text is one, and that its SKU is this text."""
    product_id = identifiers.parse_id(text)
    if product_id is not None:
        yield Q(product_id=product_id)
    if (with_sku := Product.objects.filter(sku=text).values_list("pk", flat=True).first()) is not None:
        yield Q(product_id=with_sku)


def by_product_name(text: str) -> Iterable[Q]:
    """Yield the condition that a product's name or SKU contains this text: one of the newest `MAX_NAMED` of them.

    The names of all products are read, of which there are thousands.
    """
    named = Product.objects.filter(Q(name__icontains=text) | Q(sku__icontains=text))
    if product_ids := list(named.order_by("-pk").values_list("pk", flat=True)[:MAX_NAMED]):
        yield Q(product_id__in=product_ids)
