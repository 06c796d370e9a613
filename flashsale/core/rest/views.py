"""What views of the API share."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from flashsale.core.rest.request import ApiRequest

_encoder = JSONRenderer.encoder_class(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_response(
    data: Any, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None, content_type: str = ""
) -> HttpResponse:
    """Return a response of JSON that is rendered now: DRF's `Response` would render it later, at a cost per request."""
    body = render_json(data)
    return HttpResponse(body, status=status, headers=headers, content_type=content_type or JSONRenderer.media_type)


def render_json(data: Any) -> bytes:
    """Return the bytes that DRF's `JSONRenderer` renders, by one encoder for all responses.

    U+2028 and U+2029 are escaped, because they end a line in JavaScript.
    """
    text: str = _encoder.encode(data)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


@dataclass(frozen=True, kw_only=True)
class Policies:
    """What DRF asks about each request of a view class. None of it keeps anything of a request."""

    renderers: list[BaseRenderer]
    parsers: list[BaseParser]
    authenticators: list[BaseAuthentication]
    permissions: Sequence[Any]
    throttles: list[BaseThrottle]
    negotiator: BaseContentNegotiation

    @classmethod
    def of(cls, view: type[APIView]) -> "Policies":
        """Return the policies that a view class names."""
        return cls(
            renderers=[kind() for kind in view.renderer_classes],
            parsers=[kind() for kind in view.parser_classes],
            authenticators=[kind() for kind in view.authentication_classes],
            permissions=[kind() for kind in view.permission_classes],
            throttles=[kind() for kind in view.throttle_classes],
            negotiator=view.content_negotiation_class(),
        )


class AcyclicView(APIView):
    """Mixin of API views whose responses are rendered at once: DRF's path of a request, without what this API lacks.

    There are no versions, no suffixes of formats, and no browsable pages; `Policies` are made once for each class.

    The reference cycles of view and request are broken after each response: a request's memory, its body included, is
    then freed by reference counting as soon as it is answered. The garbage collector runs by the number of objects and
    knows nothing of their size.
    """

    policies: ClassVar[Policies]
    # The values of the header Allow; in a view set by the methods that have actions at a path.
    allow_headers: ClassVar[dict[tuple[str, ...], str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.policies, cls.allow_headers = Policies.of(cls), {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        self.request = drf_request = self.initialize_request(request, *args, **kwargs)
        try:
            try:
                self.initial(drf_request, *args, **kwargs)
                name = (request.method or "").lower()
                handler = getattr(self, name, None) if name in self.http_method_names else None
                response = (handler or self.http_method_not_allowed)(drf_request, *args, **kwargs)
            except Exception as error:
                response = self.handle_exception(error)
            return self.finalize_response(drf_request, response, *args, **kwargs)
        finally:
            drf_request.parser_context.clear()
            vars(self).clear()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> ApiRequest:
        """Return DRF's request, and set the `action` of a view set."""
        actions = getattr(self, "action_map", None)
        if actions:
            self.action = actions.get((request.method or "").lower())
        return ApiRequest(
            request,
            parsers=self.policies.parsers,
            authenticators=self.policies.authenticators,
            negotiator=self.policies.negotiator,
            parser_context={},
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        chosen: tuple[BaseRenderer, str] = self.policies.negotiator.select_renderer(request, self.policies.renderers)
        return chosen

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Add the headers `Allow`, and `Vary` where the view has several renderers."""
        response.headers["Allow"] = self._allow()
        if len(self.renderer_classes) > 1:
            patch_vary_headers(response, ("Accept",))
        return response

    def _allow(self) -> str:
        """Return the methods that the view has, in a view set at this path."""
        actions = tuple(getattr(self, "action_map", ()))
        if actions not in self.allow_headers:
            self.allow_headers[actions] = ", ".join(self.allowed_methods)
        return self.allow_headers[actions]

    def get_renderers(self) -> list[BaseRenderer]:
        return self.policies.renderers

    def get_parsers(self) -> list[BaseParser]:
        return self.policies.parsers

    def get_authenticators(self) -> list[BaseAuthentication]:
        return self.policies.authenticators

    def get_permissions(self) -> Sequence[Any]:
        return self.policies.permissions

    def get_throttles(self) -> list[BaseThrottle]:
        return self.policies.throttles

    def get_content_negotiator(self) -> BaseContentNegotiation:
        return self.policies.negotiator
