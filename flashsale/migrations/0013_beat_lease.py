"""The lease of the beat that sends; the beat inserts its row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0012_webhook_schedule")]
    operations = [
        migrations.CreateModel(
            name="BeatLease",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("holder", models.UUIDField(help_text="One for each start of a beat.")),
                ("host", models.CharField(max_length=255)),
                ("expires_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="beat_lease_is_one_row")],
            },
        ),
    ]
