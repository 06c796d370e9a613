"""Every answer of every operation of the back office is one that its OpenAPI document describes."""

from dataclasses import dataclass

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import missing_required_header, positive_data_acceptance

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import OrderFactory
from flashsale.core.identifiers import parse_uuid
from flashsale.outbox import endpoints
from flashsale.outbox.deliveries import again
from flashsale.tests.support.backoffice import BackofficeClient, new_key
from flashsale.wsgi import application
from payments.tests.factories import undone

# Not checked: that all is accepted that the schemas allow, for none can say what a currency is, or a cursor; and that
# a missing header is 400, for without `If-Match` it is 428.
NOT_CHECKED = [positive_data_acceptance, missing_required_header]

contract = schemathesis.openapi.from_wsgi("/api/v1/backoffice/schema", application)


@dataclass
class Shop:
    """What exists, and a token with every scope."""

    token: str
    product_id: int
    order_id: str
    endpoint_id: str
    delivery_id: int


@pytest.fixture
def shop(db):
    """The test's transaction outlives the requests made in it, as with Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    order = OrderFactory(product=ProductFactory(stock=2**31 - 1))
    endpoint = endpoints.create(url="https://erp.example.com/hooks")
    delivery = again.test(endpoint.pk)
    yield Shop(BackofficeClient().token, order.product_id, str(order.pk), str(endpoint.pk), delivery.pk)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@contract.hook
def filter_body(context, body) -> bool:
    """2.0 is an integer to JSON Schema and a fraction to this API, which no schema can say."""
    return not isinstance(body, dict) or not any(isinstance(value, float) for value in body.values())


@contract.parametrize()
@settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_describes(shop, case):
    with undone():
        name_what_exists(case, shop)
        case.call_and_validate(headers={"Authorization": f"Bearer {shop.token}"}, excluded_checks=NOT_CHECKED)


def test_the_two_documents_describe_every_operation_once(api):
    of_storefront, of_back_office = (operations_of(api, prefix) for prefix in ("/api/v1", "/api/v1/backoffice"))

    names = [operation["operationId"] for operation in [*of_storefront, *of_back_office]]
    assert len(names) == len(set(names))
    assert all(operation["security"] == [{"apiToken": []}] for operation in of_back_office)
    assert all("scope" in operation["description"] for operation in of_back_office)


def operations_of(api, prefix: str) -> list[dict]:
    paths = api.get(f"{prefix}/schema").json()["paths"].values()
    return [operation for path in paths for operation in path.values()]


def name_what_exists(case, shop: Shop) -> None:
    """Let the well-formed ids of a case be those of things that exist, and its version the one that there is."""
    given = case.path_parameters or {}
    if type(given.get("id")) is int:
        given["id"] = shop.product_id
    elif isinstance(given.get("id"), str) and parse_uuid(given["id"]):
        given["id"] = shop.endpoint_id if "webhook-endpoints" in case.path else shop.order_id
    if type(given.get("delivery")) is int:
        given["delivery"] = shop.delivery_id
    headers = case.headers or {}
    if "If-Match" in headers:
        case.headers["If-Match"] = "*"
    if len(headers.get("Idempotency-Key", "")) >= 16:
        case.headers["Idempotency-Key"] = new_key()
