from django.apps import AppConfig
from django.core.checks import Tags, register


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from catalog import sale_figures as figures
        from checkout import order_money as money
        from checkout import order_story as story
        from checkout import orders
        from checkout.waiting_room import capacity
        from flashsale.outbox import resources
        from payments import (
            attempt_records,
            checks,
            event_data,
            inbox,
            order_money,
            order_story,
            sale_figures,
            taking_rate,
        )

        orders.register_creation_hook(inbox.early_events_query)
        orders.register_payment(attempt_records.shown_payment)
        orders.register_leaving_hook(attempt_records.leave)
        capacity.register(taking_rate.buyers_per_second)
        resources.register(event_data.PAYMENTS)
        resources.register(event_data.EVENTS)
        story.register(order_story.story_of)
        money.register(order_money.read)
        figures.register(sale_figures.of_payments, permission="checkout.view_order")
        register(checks.webhooks_can_be_verified, Tags.security, deploy=True)
