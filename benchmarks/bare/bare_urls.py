"""A view that answers the bytes of the environment variable `BARE_BODY`."""

import os

from django.http import HttpRequest, HttpResponse
from django.urls import path

BODY = os.environ["BARE_BODY"].encode()


def constant(_request: HttpRequest) -> HttpResponse:
    """Answer the same bytes each time."""
    return HttpResponse(BODY, content_type="application/json")


urlpatterns = [path("bench/constant", constant)]
