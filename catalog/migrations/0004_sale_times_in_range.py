"""New sale times must lie within 2000 to 2999. The next migration corrects existing rows and validates the constraints."""

import datetime

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

import flashsale.core.moments

FIRST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(3000, 1, 1, tzinfo=datetime.UTC)
RANGE = "This must lie between 2000-01-01 and 2999-12-31 (UTC)."


def _time():
    return models.DateTimeField(blank=True, null=True, validators=[flashsale.core.moments.validate])


def _worded(name, condition, message):
    constraint = models.CheckConstraint(name=name, condition=condition, violation_error_message=message)
    return migrations.AlterConstraint(model_name="product", name=name, constraint=constraint)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_product_history")]
    operations = [
        migrations.AlterField("product", "sale_starts_at", _time()),
        migrations.AlterField("product", "sale_ends_at", _time()),
        migrations.AlterField("productevent", "sale_starts_at", _time()),
        migrations.AlterField("productevent", "sale_ends_at", _time()),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                name="product_sale_starts_at_is_in_range",
                condition=models.Q(sale_starts_at__gte=FIRST, sale_starts_at__lt=END),
                violation_error_message=f"Start of the sale: {RANGE}",
            ),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                name="product_sale_ends_at_is_in_range",
                condition=models.Q(sale_ends_at__gte=FIRST, sale_ends_at__lt=END),
                violation_error_message=f"End of the sale: {RANGE}",
            ),
        ),
        _worded("product_price_is_positive", models.Q(price__gt=0), "The price must be more than 0."),
        _worded(
            "product_currency_is_a_code",
            models.Q(currency__regex="^[A-Z]{3}$"),
            "The currency must be an ISO 4217 code, such as USD.",
        ),
        _worded(
            "product_max_per_hold_is_positive", models.Q(max_per_hold__gte=1), "A hold must be allowed at least 1 unit."
        ),
        _worded(
            "product_max_per_customer_is_positive",
            models.Q(max_per_customer__gte=1),
            "A customer must be allowed at least 1 unit.",
        ),
        _worded(
            "product_sale_starts_before_it_ends",
            models.Q(sale_starts_at__lt=models.F("sale_ends_at")),
            "The sale must end after it starts.",
        ),
    ]
