"""The answer to a search: what was found, each with its kind, or a sentence that says why there is nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from flashsale.core.staff.links import page_of
from flashsale.staff import menu
from flashsale.staff.search.lookups import LOOKUPS
from flashsale.staff.search.terms import MAX_LENGTH, Term


@dataclass(frozen=True)
class Result:
    """One thing that was found: its name, what it is, the path of its page, and an icon."""

    title: str
    kind: str
    url: str
    icon: str


def answer(request: HttpRequest) -> HttpResponse:
    """Answer what was typed, for the theme's search window, which puts the answer into the page."""
    term = Term(request.GET.get("s", "").strip()[:MAX_LENGTH])
    results = [] if term.is_too_short else [*_rows(request, term), *_pages(request, term)]
    context = {"term": term, "results": results}
    return TemplateResponse(request, "flashsale/search_results.html", context)


def _rows(request: HttpRequest, term: Term) -> Iterator[Result]:
    for lookup in LOOKUPS:
        model_admin = admin.site.get_model_admin(lookup.model)
        if model_admin.has_view_or_change_permission(request):
            for row in lookup.find(term):
                yield Result(str(row), _kind_of(row), page_of(row), lookup.icon)


def _kind_of(row: Any) -> str:
    """Return what a row is, with its status where it has one: "order, paid"."""
    status = row.get_status_display().lower() if hasattr(row, "get_status_display") else ""
    return ", ".join(filter(None, [str(row._meta.verbose_name), status]))


def _pages(request: HttpRequest, term: Term) -> Iterator[Result]:
    """Yield the pages of the menu whose names have the text."""
    for group in menu.groups(request):
        for item in group["items"]:
            if term.text.lower() in item["title"].lower():
                yield Result(item["title"], group.get("title", "Page"), item["link"], item["icon"])
