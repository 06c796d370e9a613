"""Products for tests, made by the same verb as real ones."""

from decimal import Decimal

import factory

from catalog import products
from catalog.models import Product


class ProductFactory(factory.django.DjangoModelFactory):
    """A published product; `stock` is its total in units."""

    class Meta:
        model = Product

    name = factory.Sequence(lambda number: f"Widget {number}")
    price = Decimal("29.99")
    currency = "USD"
    stock = 10

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return products.add(**kwargs)
