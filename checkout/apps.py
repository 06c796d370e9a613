from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "checkout"

    def ready(self) -> None:
        from catalog import overdue
        from checkout import holds, orders
        from checkout.models import Hold, Order

        overdue.register(rows=Hold.objects.overdue, reclaim=holds.reclaim)
        overdue.register(rows=Order.objects.overdue, reclaim=orders.reclaim)
