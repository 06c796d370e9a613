"""The committed OpenAPI document, as tests use it."""

import json

from flashsale.tests.support.processes import PROJECT


def members_of(name: str) -> set[str]:
    """Return the members that docs/openapi.json says an answer has, such as those of a "Product"."""
    document = json.loads((PROJECT / "docs" / "openapi.json").read_text())
    return set(document["components"]["schemas"][name]["properties"])
