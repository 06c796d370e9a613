"""Existing payment ids of orders are proved when their payment is recorded or a token placed the order; others are claims.

Which token placed an order is known only where the request had an Idempotency-Key.
"""

from django.db import migrations

BY_PAYMENT = """
INSERT INTO checkout_provedpaymentid (payment_id, order_id, proved_by, proved_at)
SELECT DISTINCT ON (payment.payment_id) payment.payment_id, payment.order_id, 'event', payment.created_at
FROM payments_payment AS payment
JOIN payments_webhookevent AS event ON event.id = payment.event_id
WHERE payment.order_id IS NOT NULL AND event.payment_ref IS NOT NULL
ORDER BY payment.payment_id, payment.created_at
ON CONFLICT (payment_id) DO NOTHING
"""
BY_TOKEN = """
INSERT INTO checkout_provedpaymentid (payment_id, order_id, proved_by, proved_at)
SELECT payment_id, id, 'token', created_at FROM checkout_order WHERE payment_id IS NOT NULL AND client <> ''
ON CONFLICT (payment_id) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_disputes"), ("checkout", "0004_proved_payment_ids")]
    operations = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (BY_PAYMENT, BY_TOKEN)]
