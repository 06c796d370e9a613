"""What clients store with their orders. Older code inserts rows without the new column: {}, which rewrites no row."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models.lookups import Exact


class Migration(migrations.Migration):
    dependencies = [("checkout", "0013_proved_by_is_known")]
    operations = [
        migrations.AddField(
            model_name="order",
            name="metadata",
            field=models.JSONField(
                blank=True, db_default={}, default=dict, help_text="Texts of the client, by name."
            ),
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=Exact(
                    models.Func("metadata", function="jsonb_typeof", output_field=models.TextField()), "object"
                ),
                name="order_metadata_is_an_object",
            ),
        ),
    ]
