"""The constraints of the migration before are checked on stored rows."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("catalog", "0012_product_queue")]
    operations = [
        ValidateConstraint("product", "product_queue_is_known"),
        ValidateConstraint("product", "product_queue_has_a_start"),
        ValidateConstraint("product", "product_queue_opens_before_the_start"),
        ValidateConstraint("product", "product_queue_opens_at_is_in_range"),
        ValidateConstraint("product", "product_admission_rate_max_is_in_range"),
    ]
