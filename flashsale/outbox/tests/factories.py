"""Endpoints, events and deliveries for tests, made as rows: no receiver is needed."""

import json
import uuid

import factory
from django.db.models import Max

from flashsale.core import clock
from flashsale.outbox import endpoints
from flashsale.outbox.models import Delivery, Endpoint, Event, Numbering


class EndpointFactory(factory.django.DjangoModelFactory):
    """An endpoint, made by the same verb as real ones."""

    class Meta:
        model = Endpoint

    url = factory.Sequence(lambda number: f"https://erp-{number}.example.com/hooks")

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return endpoints.create(**kwargs)


class EventFactory(factory.django.DjangoModelFactory):
    """A numbered event about an order that does not exist, without deliveries."""

    class Meta:
        model = Event

    type = "order.paid"
    resource = "order"
    resource_id = factory.LazyFunction(lambda: str(uuid.uuid4()))

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        sequence = (Event.objects.aggregate(last=Max("sequence"))["last"] or 0) + 1
        public_id, now = uuid.uuid4(), clock.now()
        body = {"id": f"evt_{public_id.hex}", "type": kwargs["type"], "sequence": sequence, "data": {"quantity": 2}}
        event = Event.objects.create(
            sequence=sequence, public_id=public_id, recorded_at=now, body=json.dumps(body), **kwargs
        )
        Numbering.objects.update_or_create(pk=1, defaults={"last_sequence": sequence})
        return event


class DeliveryFactory(factory.django.DjangoModelFactory):
    """A delivery that is dead: the last of its tries was answered 500."""

    class Meta:
        model = Delivery

    endpoint = factory.SubFactory(EndpointFactory)
    event = factory.SubFactory(EventFactory)
    status = Delivery.Status.DEAD
    tries = 12
    last_status = 500
    last_answer = "<p>Out of order</p>"
    last_error = "The endpoint answered 500."
    attempts = factory.LazyFunction(
        lambda: [
            {"at": clock.now().isoformat(), "status": None, "error": "The endpoint could not be connected to in time.",
             "duration_ms": 3_000},
            {"at": clock.now().isoformat(), "status": 500, "error": "The endpoint answered 500.", "duration_ms": 41},
        ]
    )  # fmt: skip
    created_at = factory.LazyFunction(clock.now)
