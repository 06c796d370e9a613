"""The committed OpenAPI document, Postman collection and errors.md are up to date, and the collection runs."""

import json
import subprocess

import pytest
from jsonschema import Draft202012Validator

from catalog.tests.factories import ProductFactory
from checkout.models import Order
from flashsale.core.rest.pagination import IdCursorPagination
from flashsale.management.commands.describe_api import files
from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS

COLLECTION = PROJECT / "docs" / "postman_collection.json"
SECRET = "whsec_c2VjcmV0LW9mLXRoaXMtdGVzdC0wMDE="


@pytest.mark.parametrize(("name", "text"), files().items(), ids=files().keys())
def test_the_committed_files_are_what_the_code_generates(name, text):
    assert (PROJECT / "docs" / name).read_text() == text, "run manage.py describe_api"


@pytest.mark.parametrize("page", ["first", "middle", "last"])
def test_a_page_of_products_is_what_the_document_says(api, db, monkeypatch, page):
    monkeypatch.setattr(IdCursorPagination, "page_size", 1)
    [ProductFactory() for _ in range(3)]
    document = json.loads((PROJECT / "docs" / "openapi.json").read_text())
    described = {"$ref": "#/components/schemas/PaginatedProductList", "components": document["components"]}

    answer = api.get("/api/v1/products").json()
    for _ in range(["first", "middle", "last"].index(page)):
        answer = api.get(answer["next"]).json()

    Draft202012Validator(described).validate(answer)
    assert [answer["previous"] is None, answer["next"] is None] == [page == "first", page == "last"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("secret", ["", SECRET], ids=["unsigned", "signed"])
def test_newman_runs_the_collection(live_server, settings, tmp_path, secret):
    newman = tool("newman")
    ProductFactory()
    if secret:
        settings.LOCAL_MODE = False
        settings.SECURE_SSL_REDIRECT = False
        settings.STANDARD_WEBHOOK_KEYS = [b"secret-of-this-test-001"]
    report = tmp_path / "report.json"
    variables = ["--env-var", f"base_url={live_server.url}"]

    run = subprocess.run(
        [newman, "run", COLLECTION, *variables, *_with("webhook_secret", secret), "--reporters", "cli,json",
         "--reporter-json-export", report, "--color", "off"],
        text=True, capture_output=True, check=False, timeout=WAIT_SECONDS,
    )  # fmt: skip

    assert run.returncode == 0, run.stdout + run.stderr
    stats = json.loads(report.read_text())["run"]["stats"]
    assert stats["requests"]["total"] == len(json.loads(COLLECTION.read_text())["item"])
    assert stats["assertions"]["total"] > stats["requests"]["total"]
    assert sorted(Order.objects.values_list("status", flat=True)) == ["cancelled", "paid"]


def _with(name: str, value: str) -> list[str]:
    return ["--env-var", f"{name}={value}"] if value else []
