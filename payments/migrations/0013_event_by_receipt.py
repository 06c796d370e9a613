"""An index for the list of events, newest first; built concurrently."""

from django.db import migrations, models

from flashsale.core.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0012_events_by_what_they_name")]
    operations = [
        AddIndexConcurrently("webhookevent", models.Index(name="event_by_receipt", fields=["received_at"])),
    ]
