"""Only the verbs of `catalog.products` write products: each of them leaves an event."""

import ast
import re

import pytest
from django.contrib import admin

from catalog.admin.products import ProductAdmin
from catalog.models import Product
from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.source_code import production_modules

WRITER = "catalog/products.py"
# What else writes rows there: the counters and their adjustments, and what was announced of them.
OTHER_ROWS = {"catalog/inventory.py", "catalog/stock_announcements.py"}
SAVES = {"save", "asave", "save_base"}
ON_QUERIES = {
    "create", "bulk_create", "update", "bulk_update", "get_or_create", "update_or_create", "delete",
    "acreate", "abulk_create", "aupdate", "abulk_update", "aget_or_create", "aupdate_or_create", "adelete",
}  # fmt: skip
SQL = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|COPY|TRUNCATE)\s+\"?catalog_product\b", re.I)
STANDARD_FORMS = {"save_model", "save_form", "delete_model", "delete_queryset"}


def names_in(node: ast.AST) -> set[str]:
    """Return the names and attributes that an expression is made of."""
    return {getattr(part, "attr", getattr(part, "id", "")) for part in ast.walk(node)}


def is_write(call: ast.Call, *, in_catalog: bool) -> bool:
    """Say whether a call writes products, or may: in the catalog, every `save`."""
    if not isinstance(call.func, ast.Attribute):
        return False
    owners, called = names_in(call.func.value), call.func.attr
    is_instance = bool(owners & {"Product", "product"})
    return (
        (called in SAVES and (in_catalog or is_instance))
        or (called in {"delete", "adelete"} and is_instance)
        or (called in ON_QUERIES and "Product" in owners)
        or (called in STANDARD_FORMS and "super" in owners and in_catalog)
    )


def writes(path: str, source: str) -> list[str]:
    """Return what in a module writes products."""
    in_catalog = path.startswith("catalog/") and path not in OTHER_ROWS
    nodes = list(ast.walk(ast.parse(source)))
    calls = [node for node in nodes if isinstance(node, ast.Call) and is_write(node, in_catalog=in_catalog)]
    texts = [str(node.value) for node in nodes if isinstance(node, ast.Constant)]
    return [ast.unparse(call) for call in calls] + [text for text in texts if SQL.search(text)]


def test_products_have_one_writer():
    modules = {str(path.relative_to(PROJECT)): path.read_text() for path in production_modules()}
    found = {name: writes(name, source) for name, source in modules.items()}

    assert found.pop(WRITER)
    assert {name: written for name, written in found.items() if written} == {}


@pytest.mark.parametrize(
    ("path", "planted"),
    [
        ("checkout/views.py", "Product.objects.filter(pk=1).update(name='x')"),
        ("checkout/views.py", "Product.objects.create(name='x')"),
        ("checkout/views.py", "Product(name='x').save()"),
        ("checkout/views.py", "hold.product.save()"),
        ("checkout/views.py", "send(Statement('UPDATE catalog_product SET name = %s', ['x']))"),
        ("checkout/views.py", "SQL = 'insert into \"catalog_product\" (name) values (1)'"),
        ("catalog/admin/products.py", "obj.save()"),
        ("catalog/admin/products.py", "super().save_model(request, obj, form, change)"),
        ("catalog/imports/files.py", "Product.objects.bulk_create(rows)"),
        ("catalog/inventory.py", "product.save(update_fields=['price'])"),
    ],
)
def test_another_writer_is_found(path, planted):
    assert writes(path, planted)


def test_the_admins_forms_save_products_by_the_verbs():
    assert type(admin.site._registry[Product]) is ProductAdmin
    assert "save_model" in vars(ProductAdmin)
    assert not ProductAdmin.list_editable
