"""What views of the API share."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.renderers import JSONRenderer


def json_response(
    data: Any, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None, content_type: str = ""
) -> HttpResponse:
    """Return a response of JSON that is rendered now: one template response less a request."""
    body = JSONRenderer().render(data)
    return HttpResponse(body, status=status, headers=headers, content_type=content_type or JSONRenderer.media_type)


class AcyclicView:
    """Mixin of API views whose responses are rendered at once: break the reference cycles of view and request.

    A request's memory, its body included, is then freed by reference counting as soon as it is answered. The garbage
    collector runs by the number of objects and knows nothing of their size.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if (seen := vars(self).pop("request", None)) is not None:
                seen.parser_context.clear()
            vars(self).clear()
