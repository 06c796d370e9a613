"""Check the rows that were stored before the constraint, without a lock that stops the sale."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("checkout", "0014_order_metadata")]
    operations = [ValidateConstraint("order", "order_metadata_is_an_object")]
