"""Every verb of both APIs refuses a body that it cannot read, those included that need none."""

import json

import pytest

from flashsale.api import authentication
from flashsale.core.rest import scopes
from flashsale.tests.support.bad_bodies import JSON, NOT_OBJECTS, UNPARSABLE
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.tokens import bearer

pytestmark = pytest.mark.django_db

DOCUMENTS = [PROJECT / "docs" / name for name in ("openapi.json", "openapi-backoffice.json")]
VALUES = {"uuid": "0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11", "integer": "1"}
HEADERS = {"Idempotency-Key": "k" * 20, "If-Match": "*"}


def verbs() -> list[tuple[str, str]]:
    """Return method and path of each verb with a body; webhooks are refused for their signature first."""
    found = []
    for document in DOCUMENTS:
        for path, operations in json.loads(document.read_text())["paths"].items():
            if "/payments/webhook" not in path:
                found += [(method, path) for method in ("post", "put", "patch") if method in operations]
    return found


def filled(path: str) -> str:
    """Return a path with ids of nothing that exists."""
    kind = "integer" if "/products/" in path else "uuid"
    return path.replace("{id}", VALUES[kind]).replace("{delivery}", VALUES["integer"])


@pytest.fixture
def every_token(db) -> dict[str, str]:
    """The header of a token that may do everything."""
    return bearer(authentication.create_token(name="all", scope_names=scopes.MEANINGS))


@pytest.mark.parametrize("body", [*UNPARSABLE.values(), *NOT_OBJECTS.values()], ids=[*UNPARSABLE, *NOT_OBJECTS])
def test_a_body_that_is_no_object_is_refused(client, every_token, body):
    for method, path in verbs():
        response = client.generic(method.upper(), filled(path), body, content_type=JSON, headers=every_token | HEADERS)
        assert problem_of(response, 400, "invalid"), (method, path)


def test_a_body_of_another_type_or_size_is_refused(client, every_token, settings):
    for method, path in verbs():
        ask = client.generic
        text = ask(method.upper(), filled(path), "{}", content_type="text/plain", headers=every_token | HEADERS)
        assert problem_of(text, 415, "unsupported_media_type"), (method, path)
        long = json.dumps({"x": "x" * settings.MAX_BODY_BYTES})
        large = ask(method.upper(), filled(path), long, content_type=JSON, headers=every_token | HEADERS)
        assert problem_of(large, 413, "payload_too_large"), (method, path)
