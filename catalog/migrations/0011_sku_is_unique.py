"""No two products have the same SKU; and the constraints of the migration before are checked on stored rows."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from flashsale.core.migrations import AddUniqueConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("catalog", "0010_product_sku_and_image")]
    operations = [
        AddUniqueConcurrently(
            "product",
            models.UniqueConstraint(
                name="product_sku_is_unique",
                fields=["sku"],
                condition=models.Q(sku__isnull=False),
                violation_error_code="unique",
                violation_error_message="Another product has this SKU.",
            ),
        ),
        ValidateConstraint("product", "product_sku_is_printable"),
        ValidateConstraint("product", "product_image_url_is_absolute"),
    ]
