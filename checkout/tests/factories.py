"""Holds and orders for tests, placed by the real verbs, and time made to pass."""

from datetime import timedelta

import factory
from django.db.models import F

from catalog.tests.factories import ProductFactory
from checkout import holds, orders
from checkout.models import Hold, Order


class HoldFactory(factory.django.DjangoModelFactory):
    """An active hold of `quantity` units of `product`."""

    class Meta:
        model = Hold

    product = factory.SubFactory(ProductFactory)
    quantity = 1

    @classmethod
    def _create(cls, model_class, *args, product, **kwargs):
        return holds.place(product_id=product.pk, **kwargs)


class OrderFactory(factory.django.DjangoModelFactory):
    """An order that waits for its payment, of a hold made for it; a payment id that is given is proved."""

    class Meta:
        model = Order

    product = factory.SubFactory(ProductFactory)
    quantity = 1
    payment_id = None

    @classmethod
    def _create(cls, model_class, *args, payment_id, **kwargs):
        hold = HoldFactory(**kwargs)
        return orders.place(hold_id=hold.pk, payment_id=payment_id, is_payment_id_proved=True)


def let_hold_pass(hold: Hold, *, seconds: float = 1_000) -> None:
    """Move a hold into the past, so that by the database's clock it is older by `seconds`."""
    past = timedelta(seconds=seconds)
    Hold.objects.filter(pk=hold.pk).update(created_at=F("created_at") - past, expires_at=F("expires_at") - past)


def let_order_pass(order: Order, *, seconds: float = 10_000) -> None:
    """Move an order into the past, so that by the database's clock it is older by `seconds`."""
    past = timedelta(seconds=seconds)
    Order.objects.filter(pk=order.pk).update(
        created_at=F("created_at") - past, payment_due_at=F("payment_due_at") - past
    )
