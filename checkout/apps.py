from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "checkout"

    def ready(self) -> None:
        from catalog import overdue
        from checkout import holds, orders
        from checkout.models import Hold, Order

        overdue.register(rows=Hold.objects.overdue, take_back=holds.take_back)
        overdue.register(rows=Order.objects.overdue, take_back=orders.take_back)
