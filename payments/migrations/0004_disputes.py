"""Disputes, and when an event happened by its provider's clock."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_request_ids")]
    operations = [
        migrations.AddField(
            model_name="webhookevent",
            name="dispute_ref",
            field=models.CharField(blank=True, max_length=255, null=True),
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="dispute_status",
            field=models.CharField(blank=True, db_default="", default="", max_length=4),
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="dispute_reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="occurred_at",
            field=models.DateTimeField(blank=True, help_text="When it happened, by the provider's clock.", null=True),
        ),
        migrations.AlterField(
            model_name="webhookevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("success", "Success"),
                    ("failure", "Failure"),
                    ("refunded", "Refunded"),
                    ("refund_failed", "Refund Failed"),
                    ("dispute", "Dispute"),
                    ("noted", "Noted"),
                    ("unknown", "Unknown"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("dispute_id", models.CharField(help_text="The provider's id.", max_length=255)),
                ("amount", models.DecimalField(blank=True, decimal_places=3, max_digits=24, null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("reason", models.CharField(blank=True, help_text="The provider's word for it.", max_length=64)),
                (
                    "status",
                    models.CharField(choices=[("open", "Open"), ("won", "Won"), ("lost", "Lost")], max_length=4),
                ),
                ("created_at", models.DateTimeField()),
                ("as_of", models.DateTimeField(help_text="The time of the event that reported this state.")),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="disputes", to="payments.payment"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status__in", ["open", "lost"])),
                        fields=["created_at"],
                        name="dispute_for_staff",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("payment", "dispute_id"), name="dispute_is_known_once"),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["open", "won", "lost"])), name="dispute_status_is_known"
                    ),
                ],
            },
        ),
    ]
