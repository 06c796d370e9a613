"""The beat's default schedule, created once: what staff change or delete afterwards stays as they left it."""

from django.db import migrations

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [SCHEDULE_TABLES]
    operations = [
        ScheduleTask(
            "Expire holds", task="checkout.tasks.expire_holds",
            every=2, period="seconds", expire_seconds=4, queue="expiry",
        ),
        ScheduleTask(
            "Expire unpaid orders", task="checkout.tasks.expire_orders",
            every=5, period="seconds", expire_seconds=10, queue="expiry",
        ),
        ScheduleTask(
            "Reconcile webhook events", task="payments.tasks.reconcile_webhook_events",
            every=5, period="seconds", expire_seconds=10,
        ),
        ScheduleTask(
            "Refresh availability", task="catalog.tasks.refresh_availability",
            every=60, period="seconds", expire_seconds=60,
        ),
        ScheduleTask(
            "Audit stock", task="checkout.tasks.audit_stock", every=60, period="seconds", expire_seconds=60,
        ),
        ScheduleTask(
            "Purge old holds", task="checkout.tasks.purge_holds", every=1, period="days", expire_seconds=3600,
        ),
        ScheduleTask(
            "Purge old webhook bodies", task="payments.tasks.purge_event_bodies",
            every=1, period="days", expire_seconds=3600,
        ),
    ]
