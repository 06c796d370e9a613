"""Statuses in words for people, and indexes for events by what they name, built concurrently."""

from django.db import migrations, models
from django.db.models import Q

from flashsale.core.migrations import AddIndexConcurrently

NOT_PLAIN = (
    Q(status__in=["ignored", "parked", "needs_review", "failed", "dead"])
    | (Q(status="applied") & ~Q(kind="success"))
    | Q(settled_by__isnull=False)
)


def naming(name: str) -> AddIndexConcurrently:
    """Return the operation that builds the index of the events that name an order, a hold or a payment."""
    condition = Q(**{f"{name}_ref__isnull": False}) & NOT_PLAIN
    return AddIndexConcurrently(
        "webhookevent", models.Index(name=f"event_naming_{name}", fields=[f"{name}_ref"], condition=condition)
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0011_payment_by_creation")]
    operations = [
        migrations.AlterField(
            model_name='dispute',
            name='status',
            field=models.CharField(choices=[('open', 'open'), ('won', 'won, the money stays'), ('lost', 'lost, the money is gone')], max_length=4),
        ),
        migrations.AlterField(
            model_name='payment',
            name='status',
            field=models.CharField(choices=[('applied', 'applied'), ('refund_due', 'refund due'), ('refunded', 'refunded')], max_length=10),
        ),
        migrations.AlterField(
            model_name='refund',
            name='status',
            field=models.CharField(choices=[('sent', 'sent, not answered yet'), ('accepted', 'accepted by the provider'), ('refused', 'refused by the provider'), ('failed', 'failed after it was accepted')], max_length=8),
        ),
        migrations.AlterField(
            model_name='webhookevent',
            name='kind',
            field=models.CharField(choices=[('success', 'payment succeeded'), ('failure', 'payment failed'), ('refunded', 'money given back'), ('refund_failed', 'refund failed'), ('dispute', 'dispute'), ('noted', 'information'), ('unknown', 'unknown type')], max_length=16),
        ),
        migrations.AlterField(
            model_name='webhookevent',
            name='status',
            field=models.CharField(choices=[('received', 'being processed'), ('applied', 'applied'), ('ignored', 'ignored'), ('parked', 'waits for its order'), ('needs_review', 'needs review'), ('failed', 'failed, is tried again'), ('dead', 'dead')], default='received', max_length=12),
        ),
        naming("order"),
        naming("hold"),
        naming("payment"),
        AddIndexConcurrently(
            "refund", models.Index(name="refund_by_id", fields=["refund_id"], condition=Q(refund_id__isnull=False))
        ),
        AddIndexConcurrently("dispute", models.Index(name="dispute_by_id", fields=["dispute_id"])),
    ]
