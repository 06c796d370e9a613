"""When events were swept last, and an index of the events of which no webhook told; built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0016_event_attempt")]
    operations = [
        migrations.AddField(
            model_name="eventcursor",
            name="swept_at",
            field=models.DateTimeField(blank=True, null=True, help_text="When a whole list was last taken."),
        ),
        AddIndexConcurrently(
            "webhookevent",
            models.Index(
                name="event_not_posted", fields=["provider", "received_at"], condition=~models.Q(source="webhook")
            ),
        ),
    ]
