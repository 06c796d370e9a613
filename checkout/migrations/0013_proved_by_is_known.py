"""Check the rows that were stored before the constraint, without a lock that stops the sale."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("checkout", "0012_payment_attempts")]
    operations = [ValidateConstraint("provedpaymentid", "proved_by_is_known")]
