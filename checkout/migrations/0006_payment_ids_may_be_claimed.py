"""Several orders may claim one payment id: drops UNIQUE, after 0005 built the index that look-ups use instead."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("checkout", "0005_order_by_payment_id")]
    operations = [
        migrations.AlterField(
            model_name="order",
            name="payment_id",
            field=models.CharField(
                blank=True,
                help_text="The one that is proved, else the buyer's claim.",
                max_length=255,
                null=True,
            ),
        ),
    ]
