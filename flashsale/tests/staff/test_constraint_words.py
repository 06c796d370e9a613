"""Messages for violated constraints: a sentence beside the right field, never the constraint's name."""

import pytest
from django.contrib.admin import site
from django.db.models import BaseConstraint, UniqueConstraint
from django.urls import reverse

from catalog.models import Product
from catalog.tests.support.imports import import_of
from flashsale.core.staff.model_admin import ViewOnlyAdmin
from flashsale.tests.support.constraints import ATTACKS

# Times in the wrong order; a price, a currency and limits that are none.
WRONG = [
    ({"sale_starts_at": "2030-01-02T00:00:00", "sale_ends_at": "2030-01-01T00:00:00"}, "sale_ends_at"),
    ({"sale_starts_at": "2030-01-01T00:00:00", "sale_ends_at": "2030-01-01T00:00:00"}, "sale_ends_at"),
    ({"sale_ends_at": "3000-01-01T00:00:00"}, "sale_ends_at"),
    ({"sale_starts_at": "1999-01-01T00:00:00"}, "sale_starts_at"),
    ({"price": "0"}, "price"),
    ({"price": "-1"}, "price"),
    ({"currency": "us"}, "currency"),
    ({"currency": "12$"}, "currency"),
    ({"max_per_hold": "0"}, "max_per_hold"),
    ({"max_per_customer": "0"}, "max_per_customer"),
    ({"sku": "a\tb"}, "sku"),
    ({"image_url": "javascript:alert(1)"}, "image_url"),
    ({"queue": "maybe"}, "queue"),
    ({"queue": "on"}, "queue"),
    ({"queue_opens_at": "2030-01-01T00:00:00"}, "queue_opens_at"),
    ({"queue_opens_at": "2029-12-31T23:55:01", "sale_starts_at": "2030-01-01T00:00:00"}, "queue_opens_at"),
    ({"queue_opens_at": "1999-01-01T00:00:00", "sale_starts_at": "2030-01-01T00:00:00"}, "queue_opens_at"),
    ({"admission_rate_max": "0"}, "admission_rate_max"),
    ({"admission_rate_max": "1000001"}, "admission_rate_max"),
]
# Forms that make rows; every other table is written by the domain's verbs only.
FILLED_IN = [model for model, admin in site._registry.items() if not isinstance(admin, ViewOnlyAdmin)]


def posted(given: dict[str, str]) -> dict[str, str]:
    fields = {
        "name": "Widget", "price": "1.00", "currency": "USD", "max_per_hold": "1", "opening_stock": "1", "queue": "off",
    } | given  # fmt: skip
    for name in ("sale_starts_at", "sale_ends_at", "queue_opens_at"):
        fields[f"{name}_0"], _, fields[f"{name}_1"] = fields.pop(name, "").partition("T")
    return fields


def test_every_constraint_that_a_form_can_violate_has_a_message():
    constraints = [
        constraint
        for model in FILLED_IN
        if model._meta.app_label in ("catalog", "checkout", "payments", "flashsale")
        for constraint in model._meta.constraints
    ]

    assert constraints
    for constraint in constraints:
        message = str(constraint.get_violation_error_message())
        assert message != str(BaseConstraint.default_violation_error_message) % {"name": constraint.name}
        assert message.endswith(".")
        assert not any(name in message for name in ATTACKS)
        assert not isinstance(constraint, UniqueConstraint) or constraint.violation_error_code


@pytest.mark.parametrize(("given", "field"), WRONG, ids=str)
def test_the_form_shows_the_message_beside_the_field(admin_client, given, field):
    response = admin_client.post(reverse("admin:catalog_product_add"), posted(given))

    errors = response.context["adminform"].form.errors
    assert set(errors) == {field}
    assert not any(name in str(errors) for name in ATTACKS)
    assert not Product.objects.exists()


@pytest.mark.parametrize(("given", "field"), WRONG, ids=str)
def test_the_import_shows_the_message_beside_the_column(admin_client, given, field):
    response = import_of(admin_client, **given)

    faults = [fault for row, _ in response.context["rows"] for fault in row.faults]
    assert [fault.partition(":")[0] for fault in faults] == [field]
    assert not any(name in str(faults) for name in ATTACKS)
