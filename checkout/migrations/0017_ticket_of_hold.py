"""The ticket that a hold was placed with, where its product has a queue."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("checkout", "0016_back_office_lists")]
    operations = [
        migrations.AddField(
            "hold",
            "ticket_id",
            models.UUIDField(blank=True, help_text="The place in the queue that it took, if any.", null=True),
        ),
    ]
