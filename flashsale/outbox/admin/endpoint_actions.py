"""What managers do with webhook endpoints: each action is one verb of the domain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from flashsale.core import moments
from flashsale.core.staff.confirmed_actions import ConfirmedActionsAdmin, OptionalNoteForm
from flashsale.core.staff.removal import RemovalMixin
from flashsale.outbox import endpoints
from flashsale.outbox.admin import figures, secrets_shown, wording
from flashsale.outbox.admin.forms import ReplayForm
from flashsale.outbox.deliveries import again
from flashsale.outbox.deliveries.again import Replay
from flashsale.outbox.models import Delivery, Endpoint


@dataclass(frozen=True)
class _Verb:
    """A verb that takes an endpoint's id, the sentence on what it did, and the one on what it will do."""

    run: Callable[[UUID], Any]
    describe: Callable[[Endpoint, Any], str]
    effect: Callable[[Endpoint], str]


class EndpointActions(RemovalMixin, ConfirmedActionsAdmin):
    """The actions of endpoints, in the list and on their pages."""

    page_actions = ("test", "replay", "enable", "disable", "rotate_secret", "delete")
    removing_action = "delete"

    def is_offered(self, action: str, row: Endpoint) -> bool:
        if action == "enable":
            return row.status != Endpoint.Status.ENABLED
        return action != "disable" or row.status != Endpoint.Status.DISABLED

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("outbox.delete_endpoint")

    @admin.action(description="Send a test", permissions=["change"])
    def test(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> TemplateResponse | None:
        def describe(endpoint: Endpoint, delivery: Delivery) -> str:
            return f"{endpoint}: the test {delivery.message_id} is on its way. Its delivery shows what is answered."

        return self._act(request, queryset, "test", _Verb(again.test, describe, wording.effect_of_testing))

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> TemplateResponse | None:
        def effect(endpoint: Endpoint) -> str:
            return wording.effect_of_enabling(endpoint, figures.of_one(endpoint))

        return self._act(request, queryset, "enable", _Verb(again.enable, _describe_status, effect))

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> TemplateResponse | None:
        def effect(endpoint: Endpoint) -> str:
            return wording.effect_of_disabling(endpoint, figures.of_one(endpoint))

        return self._act(request, queryset, "disable", _Verb(endpoints.disable, _describe_status, effect))

    @admin.action(description="Delete", permissions=["remove"])
    def delete(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> TemplateResponse | None:
        def describe(endpoint: Endpoint, _: Endpoint) -> str:
            return f"{endpoint} is deleted: nothing is sent to it any more."

        def effect(endpoint: Endpoint) -> str:
            return wording.effect_of_deleting(figures.of_one(endpoint))

        self.repeat_removals(request)
        return self._act(request, queryset, "delete", _Verb(endpoints.delete, describe, effect))

    @admin.action(description="Send events again", permissions=["change"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> TemplateResponse | None:
        def replay(endpoint: Endpoint, *, note: str, **wanted: Any) -> Replay:
            return again.replay(endpoint.pk, **wanted)

        return self.confirm_and_run(
            request, queryset, action="replay", verb=replay, describe=_describe_replay, form_class=ReplayForm,
            effect=wording.effect_of_replaying,
        )  # fmt: skip

    @admin.action(description="Rotate the secret", permissions=["change"])
    def rotate_secret(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> TemplateResponse | None:
        rotated: list[Endpoint] = []

        def rotate(endpoint_id: UUID) -> Endpoint:
            rotated.append(endpoints.rotate_secret(endpoint_id))
            return rotated[-1]

        def describe(endpoint: Endpoint, result: Endpoint) -> str:
            until = moments.written(result.previous_secrets_until) if result.previous_secrets_until else "-"
            return f"{endpoint} has a new secret, which was shown once; the one before signs until {until}, too."

        page = self._act(request, queryset, "rotate_secret", _Verb(rotate, describe, wording.effect_of_rotating))
        return secrets_shown.response(self, request, rotated) if rotated else page

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[Endpoint],
        action: str,
        verb: _Verb,
    ) -> TemplateResponse | None:
        def act(endpoint: Endpoint, *, note: str) -> Any:
            return verb.run(endpoint.pk)

        return self.confirm_and_run(
            request, queryset, action=action, verb=act, describe=verb.describe, form_class=OptionalNoteForm,
            effect=verb.effect,
        )  # fmt: skip


def _describe_status(endpoint: Endpoint, result: Endpoint) -> str:
    return f"{endpoint}: {wording.state_of(result)}"


def _describe_replay(endpoint: Endpoint, result: Replay) -> str:
    events = "1 event is" if result.count == 1 else f"{result.count:,} events are"
    more = f" There are more: go on after {result.through}." if result.has_more else ""
    waits = (
        " What is sent waits until the endpoint is enabled."
        if endpoint.status == Endpoint.Status.DISABLED and result.count
        else ""
    )
    return f"{endpoint}: {events} sent again, up to number {result.through}.{waits}{more}"
