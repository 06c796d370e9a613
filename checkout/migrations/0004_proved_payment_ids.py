"""A table of proved payment ids. Those that buyers claim stay in the orders; several may claim the same one (0006)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("checkout", "0003_by_creation")]
    operations = [
        migrations.CreateModel(
            name="ProvedPaymentId",
            fields=[
                ("payment_id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("proved_by", models.CharField(choices=[("event", "Event"), ("token", "Token")], max_length=8)),
                ("proved_at", models.DateTimeField()),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proved_payment_ids",
                        to="checkout.order",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["order"], name="proved_payment_id_by_order")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("payment_id", ""), _negated=True), name="proved_payment_id_is_not_empty"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("proved_by__in", ["event", "token"])), name="proved_by_is_known"
                    ),
                ],
            },
        ),
    ]
