"""Endpoints for webhooks in the API: each action is one verb."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from flashsale.core.backoffice import newest_first
from flashsale.core.backoffice.views import BackofficeViewSet
from flashsale.core.identifiers import parse_uuid
from flashsale.core.refusals import NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.serializers import NoMembersClosed
from flashsale.core.rest.views import json_response
from flashsale.core.submissions.keyed_requests import Answer
from flashsale.outbox import endpoints
from flashsale.outbox.backoffice.serializers import (
    DeliveryOut,
    EndpointChanges,
    EndpointOut,
    EndpointWithSecretOut,
    NewEndpoint,
    ReplayOut,
    ReplayWanted,
)
from flashsale.outbox.deliveries import again
from flashsale.outbox.models import Delivery, Endpoint


class EndpointViewSet(BackofficeViewSet):
    """The endpoints, newest first, and what is done with them."""

    required_scopes = {
        "list": scopes.EVENTS_READ,
        "retrieve": scopes.EVENTS_READ,
        "create": scopes.WEBHOOKS_WRITE,
        "partial_update": scopes.WEBHOOKS_WRITE,
        "destroy": scopes.WEBHOOKS_WRITE,
        "rotate_secret": scopes.WEBHOOKS_WRITE,
        "test": scopes.WEBHOOKS_WRITE,
        "enable": scopes.WEBHOOKS_WRITE,
        "disable": scopes.WEBHOOKS_WRITE,
        "replay": scopes.WEBHOOKS_WRITE,
    }
    parameters = {"list": newest_first.PARAMETERS}
    optional_keys = frozenset({"create", "rotate_secret", "test", "enable", "disable", "replay"})

    def list(self, request: Request) -> HttpResponse:
        return newest_first.page(request, self.query, endpoints.present(), render=_render)

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        endpoint = endpoints.present().filter(pk=endpoint_id(pk)).first()
        if endpoint is None:
            raise NotFound("There is no such endpoint.")
        return json_response(EndpointOut.data_of(endpoint))

    def create(self, request: Request) -> HttpResponse:
        body = NewEndpoint.validated(request.data)

        def verb() -> Endpoint:
            return endpoints.create(
                url=body["url"], types=body.get("types", ()), description=body.get("description") or ""
            )

        def answer(endpoint: Endpoint) -> Answer:
            headers = {"Location": f"{request._request.path.rstrip('/')}/{endpoint.pk}"}
            return _with_secret(endpoint, HTTPStatus.CREATED, headers)

        return self.change(request, verb, body=body, answer=answer, history=lambda made: (made, "Added."))

    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        own_id, body = endpoint_id(pk), EndpointChanges.validated(request.data)
        changes = body | ({"description": body["description"] or ""} if "description" in body else {})
        return self._act(request, lambda: endpoints.change(own_id, **changes), f"Changed: {', '.join(body)}.", body)

    def destroy(self, request: Request, pk: str) -> HttpResponse:
        own_id = endpoint_id(pk)
        return self.change(
            request,
            lambda: endpoints.delete(own_id),
            body={},
            answer=lambda _: Answer(status=HTTPStatus.NO_CONTENT),
            history=lambda endpoint: (endpoint, "Deleted."),
        )

    def rotate_secret(self, request: Request, pk: str) -> HttpResponse:
        own_id = endpoint_id(pk)
        return self.change(
            request,
            lambda: endpoints.rotate_secret(own_id),
            body=NoMembersClosed.validated(request.data),
            answer=lambda endpoint: _with_secret(endpoint, HTTPStatus.OK),
            history=lambda endpoint: (endpoint, "Given a new secret."),
        )

    def enable(self, request: Request, pk: str) -> HttpResponse:
        own_id = endpoint_id(pk)
        return self._act(request, lambda: again.enable(own_id), "Enabled.")

    def disable(self, request: Request, pk: str) -> HttpResponse:
        own_id = endpoint_id(pk)
        return self._act(request, lambda: endpoints.disable(own_id), "Disabled.")

    def test(self, request: Request, pk: str) -> HttpResponse:
        own_id = endpoint_id(pk)
        return self.change(
            request,
            lambda: again.test(own_id),
            body=NoMembersClosed.validated(request.data),
            answer=accepted,
            history=lambda delivery: (delivery.endpoint, "Tested."),
        )

    def replay(self, request: Request, pk: str) -> HttpResponse:
        own_id, body = endpoint_id(pk), ReplayWanted.validated(request.data)
        return self.change(
            request,
            lambda: again.replay(own_id, **body),
            body=body,
            answer=lambda replay: Answer(status=HTTPStatus.ACCEPTED, data=ReplayOut.data_of(replay)),
            history=lambda replay: (Endpoint(pk=own_id), f"Events sent again: {replay.count}."),
        )

    def _act(
        self, request: Request, verb: Callable[[], Endpoint], done: str, body: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Call a verb that returns the endpoint, and answer it; `done` is what the history says."""
        return self.change(
            request,
            verb,
            body=NoMembersClosed.validated(request.data) if body is None else body,
            answer=lambda endpoint: Answer(status=HTTPStatus.OK, data=EndpointOut.data_of(endpoint)),
            history=lambda endpoint: (endpoint, done),
        )


def endpoint_id(text: str) -> UUID:
    """Return the id in a path. Raises `NotFound`."""
    found = parse_uuid(text)
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


def accepted(delivery: Delivery) -> Answer:
    """Return the answer about a delivery that is going to be sent."""
    return Answer(status=HTTPStatus.ACCEPTED, data=DeliveryOut.data_of(delivery))


def _with_secret(endpoint: Endpoint, status: int, headers: dict[str, str] | None = None) -> Answer:
    data = EndpointWithSecretOut.data_of(endpoint)
    return Answer(status=status, data=data, headers=headers or {}, secret_members=("secret",))


def _render(rows: Sequence[Endpoint]) -> list[dict[str, Any]]:
    return [EndpointOut.data_of(endpoint) for endpoint in rows]
