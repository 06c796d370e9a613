"""The committed OpenAPI document, as tests use it."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from flashsale.tests.support.processes import PROJECT


def members_of(name: str) -> set[str]:
    """Return the members that docs/openapi.json says an answer has, such as those of a "Product"."""
    document = json.loads((PROJECT / "docs" / "openapi.json").read_text())
    return set(document["components"]["schemas"][name]["properties"])


def assert_described(answer: Any, name: str) -> None:
    """Assert that an answer of the back office is what docs/openapi-backoffice.json says of `name`."""
    document = json.loads((PROJECT / "docs" / "openapi-backoffice.json").read_text())
    described = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(described).validate(answer)
