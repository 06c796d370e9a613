"""Check the rows that were stored before the constraint, without a lock that stops the sale."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_payment_attempts")]
    operations = [ValidateConstraint("webhookevent", "event_source_is_known")]
