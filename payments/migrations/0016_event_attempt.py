"""Events name the shop's own attempt. Older code inserts rows without it: they name none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0015_event_source_is_known")]
    operations = [
        migrations.AddField(
            model_name="webhookevent",
            name="attempt_ref",
            field=models.UUIDField(blank=True, help_text="The shop's own attempt to take the payment.", null=True),
        ),
    ]
