"""Each type of events is a webhook of the OpenAPI document.

That real events are as described is checked wherever a test reads some (`flashsale.tests.support.outbox`).
"""

import pytest
from jsonschema import ValidationError

from flashsale.core import webhook_signatures
from flashsale.outbox.kinds import EventType
from flashsale.tests.support.outbox import assert_described, document, validator_of


def test_each_type_is_a_webhook():
    assert list(document()["webhooks"]) == EventType.values


def test_the_feed_names_the_schema_of_each_type():
    event = document()["components"]["schemas"]["Event"]

    assert list(event["discriminator"]["mapping"]) == EventType.values
    assert [one["$ref"] for one in event["oneOf"]] == list(event["discriminator"]["mapping"].values())


@pytest.mark.parametrize("event_type", EventType.values)
def test_a_webhook_has_its_headers_and_an_example_that_is_as_described(event_type):
    webhook = document()["webhooks"][event_type]["post"]
    example = webhook["requestBody"]["content"]["application/json"]["example"]

    headers = webhook_signatures.signed_headers(b"key", message_id=example["id"], body=b"{}")
    assert [header["name"] for header in webhook["parameters"]] == list(headers)
    assert example["type"] == event_type
    assert_described(example)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [({"type": "order.placed"}, ""), ({"sequence": "1"}, ""), ({}, "late"), ({}, "previous_status"), ({}, "order_id")],
)
def test_what_is_not_as_described_is_found(changes, missing):
    example = document()["webhooks"]["order.paid"]["post"]["requestBody"]["content"]["application/json"]["example"]
    data = {name: value for name, value in example["data"].items() if name != missing}

    with pytest.raises(ValidationError):
        validator_of("order.paid").validate(example | {"data": data} | changes)
