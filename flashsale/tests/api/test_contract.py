"""The OpenAPI document is committed, and every answer of every operation is one that it describes."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.identifiers import parse_uuid
from flashsale.core.limits import MAX_ID
from flashsale.wsgi import application
from payments.providers import PROVIDERS
from payments.tests.factories import undone

SCHEMA = "/api/v1/schema"
OPERATIONS_BESIDE_WEBHOOKS = 12


@pytest.fixture
def document(api) -> dict:
    answer = api.get(SCHEMA)
    assert answer.headers["Content-Type"].startswith("application/vnd.oai.openapi+json")
    return answer.json()


def test_every_operation_is_described_with_its_problems(document):
    operations = [operation for path in document["paths"].values() for operation in path.values()]

    assert document["openapi"].startswith("3.1")
    assert len(operations) == OPERATIONS_BESIDE_WEBHOOKS + len(PROVIDERS)
    for operation in operations:
        assert {"operationId", "summary", "tags", "responses"} <= set(operation)
        assert {"406", "500", "503"} <= set(operation["responses"])
        assert "Retry-After" in operation["responses"]["503"]["headers"]


def test_both_prefixes_serve_the_document_and_its_page(client):
    for prefix in ("/api/v1", "/api"):
        assert client.get(f"{prefix}/schema/").status_code == 200
        page = client.get(f"{prefix}/docs")
        assert page.status_code == 200
        assert "https://" not in page.content.decode()


@pytest.fixture
def kept_connection(db):
    """The test's transaction outlives the requests made in it, as with Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


contract = schemathesis.openapi.from_wsgi(SCHEMA, application)


@contract.hook
def filter_body(context, body) -> bool:
    """2.0 is an integer to JSON Schema and a fraction to this API, which no schema can say."""
    return not isinstance(body, dict) or not any(isinstance(value, float) for value in body.values())


@contract.parametrize()
@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_describes(kept_connection, case):
    with undone():
        name_what_exists(case)
        case.call_and_validate()


def name_what_exists(case) -> None:
    """Let about half of the well-formed ids of a case be those of things that exist."""
    product = ProductFactory()
    hold, order = HoldFactory(product=product), OrderFactory(product=product)
    if len(str(case.headers) + str(case.body)) % 2:
        return
    given = case.path_parameters or {}
    if is_uuid(given.get("id")):
        given["id"] = str(order.pk if "/orders/" in case.operation.path else hold.pk)
    elif isinstance(given.get("id"), int):
        given["id"] = product.pk
    if isinstance(case.body, dict):
        if type(case.body.get("product_id")) is int and abs(case.body["product_id"]) <= MAX_ID:
            case.body["product_id"] = product.pk
        if is_uuid(case.body.get("hold_id")):
            case.body["hold_id"] = str(hold.pk)


def is_uuid(value) -> bool:
    return isinstance(value, str) and parse_uuid(value) is not None
