"""Deliveries to an endpoint in the API."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flashsale.core.backoffice import newest_first, parameters
from flashsale.core.backoffice.views import BackofficeViewSet
from flashsale.core.identifiers import parse_id
from flashsale.core.refusals import NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.serializers import NoMembersClosed
from flashsale.outbox import endpoints
from flashsale.outbox.backoffice.endpoints import accepted, endpoint_id
from flashsale.outbox.backoffice.serializers import DeliveryOut
from flashsale.outbox.deliveries import again
from flashsale.outbox.models import Delivery

LIST = newest_first.PARAMETERS | {"status": parameters.choice("The delivery's status.", Delivery.Status.values)}


class DeliveryViewSet(BackofficeViewSet):
    """What was sent to an endpoint, or waits for it, newest first."""

    required_scopes = {"list": scopes.EVENTS_READ, "retry": scopes.WEBHOOKS_WRITE}
    parameters = {"list": LIST}
    optional_keys = frozenset({"retry"})

    def list(self, request: Request, pk: str) -> HttpResponse:
        own_id = endpoint_id(pk)
        if not endpoints.present().filter(pk=own_id).exists():
            raise NotFound("There is no such endpoint.")
        found = Delivery.objects.filter(endpoint=own_id).select_related("event").defer("event__body")
        if "status" in self.query:
            found = found.filter(status=self.query["status"])
        return newest_first.page(request, self.query, found, render=_render)

    def retry(self, request: Request, pk: str, delivery: str) -> HttpResponse:
        own_id, delivery_id = endpoint_id(pk), parse_id(delivery)
        if delivery_id is None:
            raise NotFound("The endpoint has no such delivery.")
        return self.change(
            request,
            lambda: again.retry(own_id, delivery_id),
            body=NoMembersClosed.validated(request.data),
            answer=accepted,
            history=lambda retried: (retried.endpoint, f"Sent again: {retried.message_id}."),
        )


def _render(rows: Sequence[Delivery]) -> list[dict[str, Any]]:
    return [DeliveryOut.data_of(delivery) for delivery in rows]
