"""The theme's classes (django-unfold), typed as the Django classes that they extend.

The theme has no types that mypy can use; `ModelAdmin` and `ModelForm` take type parameters only in their stubs.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.contrib.admin.views.main import ChangeList
    from django.core.paginator import Paginator
    from django.http import HttpRequest, HttpResponse

    # What mixins extend.
    ModelAdminMixin = admin.ModelAdmin[Any]
    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
    InfinitePaginator = Paginator[Any]
    Page = Callable[[Any, HttpRequest], HttpResponse]

    class RangeDateTimeFilter(admin.FieldListFilter):
        parameter_name: str

    RadioFilter = admin.SimpleListFilter
    AutocompleteSelectFilter = admin.RelatedFieldListFilter

    def page_action(*, description: str, url_path: str, permissions: Sequence[str]) -> Callable[[Page], Page]: ...
else:
    from unfold.admin import ModelAdmin
    from unfold.contrib.filters.admin import AutocompleteSelectFilter, RadioFilter, RangeDateTimeFilter
    from unfold.decorators import action as page_action
    from unfold.paginator import InfinitePaginator
    from unfold.views import ChangeList

    ModelAdminMixin = admin.ModelAdmin
    ModelForm = forms.ModelForm

__all__ = [
    "AutocompleteSelectFilter",
    "ChangeList",
    "InfinitePaginator",
    "ModelAdmin",
    "ModelAdminMixin",
    "ModelForm",
    "RadioFilter",
    "RangeDateTimeFilter",
    "page_action",
]
