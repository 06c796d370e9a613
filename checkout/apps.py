from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "checkout"

    def ready(self) -> None:
        from catalog import overdue
        from catalog import sale_figures as figures
        from checkout import event_data, holds, orders, queue_figures, sale_figures
        from checkout.models import Hold, Order
        from flashsale.outbox import resources

        overdue.register(rows=Hold.objects.overdue, reclaim=holds.reclaim)
        overdue.register(rows=Order.objects.overdue, reclaim=orders.reclaim)
        resources.register(event_data.ORDERS)
        figures.register(sale_figures.of_holds, permission="checkout.view_hold")
        figures.register(sale_figures.of_orders, permission="checkout.view_order")
        figures.register_queue(queue_figures.of_queue)
