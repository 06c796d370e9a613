"""The numbers of refused claims, and the task that merges and deletes old ones."""

import django.db.models.deletion
from django.db import migrations, models

from flashsale.core.migrations import SCHEDULE_TABLES, ScheduleTask


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_staff_may_be_deleted"),
        ("checkout", "0006_payment_ids_may_be_claimed"),
        SCHEDULE_TABLES,
    ]
    operations = [
        migrations.CreateModel(
            name="RefusalCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=64)),
                ("began_at", models.DateTimeField()),
                ("seconds", models.PositiveSmallIntegerField(help_text="The length of the period.")),
                ("claims", models.PositiveIntegerField()),
                (
                    "product",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.product",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["seconds", "began_at"], name="refusal_count_by_time")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("product", "seconds", "began_at", "code"), name="refusal_count_is_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("seconds__in", [1, 60])), name="refusal_count_period_is_known"
                    ),
                ],
            },
        ),
        ScheduleTask(
            "Merge old numbers of refusals", task="checkout.tasks.compact_refusal_counts",
            every=1, period="hours", expire_seconds=3600,
        ),
    ]
