"""The base of the back office's view sets: tokens with a scope, one quota, strict input, changes that act once."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from rest_framework import viewsets
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from flashsale.core import acting, greenlets
from flashsale.core.backoffice import parameters
from flashsale.core.backoffice.parameters import Parameters
from flashsale.core.refusals import InvalidRequest
from flashsale.core.rest import scopes
from flashsale.core.rest.headers import BACKOFFICE_METHODS, IDEMPOTENCY_KEY_HEADER, idempotency_key_of
from flashsale.core.rest.views import AcyclicView, json_response, render_json
from flashsale.core.submissions import keyed_requests, once, token_actions
from flashsale.core.submissions.keyed_requests import AlreadyAnswered, Answer, fingerprint_of

# The quota of all requests of a token to the back office.
RATE_SCOPE = "backoffice"

Result = TypeVar("Result")


class HasScope(BasePermission):
    """Allows API tokens with the scope of the action: no session, and no anonymous caller of a public API either."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            return False
        scopes.check(token_of(request), view)
        return True


class BackofficeViewSet(AcyclicView, viewsets.ViewSet):
    """What a subclass declares is said in the docstring of the package."""

    http_method_names = BACKOFFICE_METHODS
    permission_classes = (HasScope,)
    required_scopes: ClassVar[Mapping[str | None, str]] = {}
    rate_scopes: ClassVar[Mapping[str | None, str]] = {}
    parameters: ClassVar[Mapping[str, Parameters]] = {}
    optional_keys: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.rate_scopes = dict.fromkeys(cls.required_scopes, RATE_SCOPE)

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """Return the view function; it runs in a worker thread, where handlers may use the database."""
        return greenlets.offloaded(super().as_view(actions, **initkwargs))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the token, its scope and its quota; then read the query, and the Idempotency-Key of a POST."""
        super().initial(request, *args, **kwargs)
        action = getattr(self, "action", None)
        if action is not None:
            self.query: dict[str, Any] = parameters.read(request._request.GET, self.parameters.get(action, {}))
            self.key = idempotency_key_of(request._request) if request.method == "POST" else None
            if request.method == "POST" and self.key is None and action not in self.optional_keys:
                raise InvalidRequest(
                    f"This request needs an {IDEMPOTENCY_KEY_HEADER}: 16 to 255 printable ASCII characters.",
                    pointer=f"#header/{IDEMPOTENCY_KEY_HEADER}",
                    error_code="required",
                )

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)

    def change(
        self,
        request: Request,
        verb: Callable[[], Result],
        *,
        body: Mapping[str, Any],
        answer: Callable[[Result], Answer],
        history: Callable[[Result], tuple[Model, str] | None] = lambda _result: None,
    ) -> HttpResponse:
        """Call a verb that is `retrying_transaction_once`, in the token's name, and answer what it returned.

        In its transaction `answer` makes the answer, which is stored under the Idempotency-Key where there is one, and
        `history` says what was done to which row. A repeated request (its method, path and validated `body` are equal)
        gets the stored answer. Raises what the verb raises, and `IdempotencyKeyReused`.
        """
        token = token_of(request)
        step = keyed_requests.Request(
            client=token.prefix,
            key=self.key,
            fingerprint=fingerprint_of(request.method or "", _path_of(request._request), body),
            name=f"{type(self).__name__}.{self.action}",
            answer=answer,
            record=lambda result: _record(history(result)),
            render=render_json,
        )
        try:
            with acting.by_token(token.name), once.performing(step):
                verb()
        except AlreadyAnswered as earlier:
            return _response(earlier.answer, {"Idempotent-Replayed": "true"})
        if step.made is None:
            raise RuntimeError(f"{step.name}: the verb stored no answer")
        return _response(step.made)


def token_of(request: Request) -> scopes.ApiToken:
    """Return the token of a request that `HasScope` allowed."""
    return request.auth  # type: ignore[return-value]  # the stub names the framework's own token


def _record(done: tuple[Model, str] | None) -> None:
    if done is not None:
        token_actions.record(*done)


def _path_of(request: HttpRequest) -> str:
    """Return the path, in one spelling for both prefixes and with or without the slash at its end."""
    return request.path_info.rstrip("/").removeprefix("/api").removeprefix("/v1")


def _response(answer: Answer, headers: Mapping[str, str] | None = None) -> HttpResponse:
    all_headers = answer.headers | dict(headers or {})
    if answer.status == HTTPStatus.NO_CONTENT:
        return HttpResponse(status=answer.status, headers=all_headers)
    return json_response(answer.data, status=answer.status, headers=all_headers)
