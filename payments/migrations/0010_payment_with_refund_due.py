"""The index of what is due for refund has the parts, too; built concurrently before the old one is dropped."""

from django.contrib.postgres.operations import RemoveIndexConcurrently, ValidateConstraint
from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0009_refund_requests")]
    operations = [
        AddIndexConcurrently(
            "payment",
            models.Index(
                condition=models.Q(
                    ("status", "refund_due"), ("refund_target__gt", models.F("refunded_amount")), _connector="OR"
                ),
                fields=["created_at"],
                name="payment_with_refund_due",
            ),
        ),
        RemoveIndexConcurrently("payment", "payment_refund_due"),
        ValidateConstraint("payment", "payment_refund_target_within_amount"),
        ValidateConstraint("payment", "payment_refunds_without_provider"),
    ]
