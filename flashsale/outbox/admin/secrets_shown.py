"""The page with the new secrets of endpoints: the answer to a form, and shown nowhere else."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from flashsale.outbox.models import Endpoint


def response(admin: "ModelAdmin[Any]", request: HttpRequest, endpoints: Sequence[Endpoint]) -> TemplateResponse:
    """Show the present secrets of these endpoints, each with a button that copies it."""
    title = f"Secret of {endpoints[0]}" if len(endpoints) == 1 else "Secrets of webhook endpoints"
    context = admin.admin_site.each_context(request) | {"title": title, "opts": admin.opts, "endpoints": endpoints}
    return TemplateResponse(request, "flashsale/new_secrets.html", context)
