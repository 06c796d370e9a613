"""What views of the API share."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.views import APIView


def json_response(
    data: Any, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None, content_type: str = ""
) -> HttpResponse:
    """Return a response of JSON that is rendered now: DRF's `Response` would render it later, at a cost per request."""
    body = JSONRenderer().render(data)
    return HttpResponse(body, status=status, headers=headers, content_type=content_type or JSONRenderer.media_type)


class AcyclicView(APIView):
    """Mixin of API views whose responses are rendered at once: break the reference cycles of view and request.

    A request's memory, its body included, is then freed by reference counting as soon as it is answered. The garbage
    collector runs by the number of objects and knows nothing of their size.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            drf_request = vars(self).pop("request", None)
            if drf_request is not None:
                drf_request.parser_context.clear()
            vars(self).clear()
