"""Refunds that staff ask for, also in part. Older code inserts rows without the new columns: nothing was asked for."""

from decimal import Decimal

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0008_event_kind_informational"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="payment",
            name="due_since",
            field=models.DateTimeField(
                blank=True, help_text="Since when money is due back; empty: since it was taken.", null=True
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="refund_target",
            field=models.DecimalField(
                db_default=Decimal("0"),
                decimal_places=3,
                default=Decimal("0"),
                help_text="How much has to be given back in all, while it is applied.",
                max_digits=24,
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="refunded_by_other_means",
            field=models.DecimalField(
                db_default=Decimal("0"),
                decimal_places=3,
                default=Decimal("0"),
                help_text="The part of the refunded amount that its provider does not know of.",
                max_digits=24,
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="refunded_before",
            field=models.DecimalField(
                blank=True,
                decimal_places=3,
                help_text="What the provider had given back when the attempt began; empty: all but its amount.",
                max_digits=24,
                null=True,
            ),
        ),
        AddConstraintNotValid(
            "payment",
            models.CheckConstraint(
                condition=models.Q(("refund_target__gte", 0), ("refund_target__lte", models.F("amount"))),
                name="payment_refund_target_within_amount",
            ),
        ),
        AddConstraintNotValid(
            "payment",
            models.CheckConstraint(
                condition=models.Q(
                    ("refunded_by_other_means__gte", 0), ("refunded_by_other_means__lte", models.F("refunded_amount"))
                ),
                name="payment_refunds_without_provider",
            ),
        ),
        migrations.CreateModel(
            name="RefundRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", models.DecimalField(decimal_places=3, max_digits=24)),
                ("restocked_units", models.PositiveIntegerField(default=0)),
                ("by_other_means", models.BooleanField(default=False)),
                ("note", models.CharField(max_length=500)),
                ("created_at", models.DateTimeField()),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refund_requests",
                        to="payments.payment",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0)), name="refund_request_amount_is_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gt", 0), ("restocked_units__gt", 0), _connector="OR"),
                        name="refund_request_asks_for_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("note", ""), _negated=True), name="refund_request_has_a_note"
                    ),
                ],
            },
        ),
    ]
