"""The page on which staff add products from a CSV file: look at it, then confirm what was understood."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget

from catalog import products
from catalog.imports import files
from catalog.models import DEFAULT_MAX_PER_HOLD
from flashsale.core.submissions import once, uploads

STEP = "catalog.product.import"
# Of the names that products have already.
MOST_NAMES_SHOWN = 20
NOT_KEPT = "This file is not kept any more. Choose it again."


class FileForm(forms.Form):
    """A CSV file."""

    file = forms.FileField(
        label="CSV file", widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.tsv,.txt,text/csv"})
    )

    def clean_file(self) -> bytes:
        upload = self.cleaned_data["file"]
        # Read no more than what is allowed and one byte.
        return upload.read(files.MAX_BYTES + 1)


class ImportsProducts(ModelAdmin):
    """A mixin: products are added from a file, which is kept between being looked at and being confirmed."""

    actions_list = ("import_csv",)

    @action(description="Import from CSV", url_path="import", permissions=["add"])
    def import_csv(self, request: HttpRequest) -> HttpResponse:
        """Take a file, show what it would add and what is wrong with it, and add it once that was confirmed."""
        if "confirmed" in request.POST:
            return self._confirmed(request)
        form = FileForm(request.POST or None, request.FILES or None)
        found: dict[str, Any] = {}
        if form.is_valid():
            content = form.cleaned_data["file"]
            try:
                found = self._looked_at(request, content)
            except files.UnreadableFile as refusal:
                form.add_error("file", refusal.detail)
        context = self.admin_site.each_context(request) | found | {
            "title": "Import products", "content_title": "Import products", "opts": self.opts, "form": form,
            "required": files.REQUIRED, "optional": files.OPTIONAL,
            "headings": [name.replace("_", " ") for name in files.SHOWN],
            "most_rows": files.MAX_ROWS, "most_mib": files.MAX_BYTES // 1024**2,
            "zone": timezone.get_current_timezone_name(),
            "default_max_per_hold": DEFAULT_MAX_PER_HOLD, "most_names": MOST_NAMES_SHOWN,
        }  # fmt: skip
        return TemplateResponse(request, "catalog/import.html", context)

    def _looked_at(self, request: HttpRequest, content: bytes) -> dict[str, Any]:
        """Return what the preview shows; a file that is right is kept. Raises `UnreadableFile`."""
        file = files.read(content)
        kept = {once.FIELD: uploads.keep(content, made_by=request.user)} if file.is_right else {}
        return kept | {
            "file": file,
            "rows": [(row, [row.shown.get(name, "") for name in files.SHOWN]) for row in file.rows],
            "wrong": [row for row in file.rows if row.faults],
            "in_use": sorted(files.names_in_use(file.rows))[:MOST_NAMES_SHOWN],
        }

    def _confirmed(self, request: HttpRequest) -> HttpResponse:
        token = once.token_of(request.POST)
        try:
            told = once.outcome_of(token, STEP)
            if told is None:
                self.message_user(request, self._add(request, token), messages.SUCCESS)
                return redirect("admin:catalog_product_changelist")
        except once.AlreadyDone as done:
            told = done.detail
        except files.UnreadableFile as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return redirect("admin:catalog_product_import_csv")
        self.message_user(request, f"Already done: {told}", messages.WARNING)
        return redirect("admin:catalog_product_changelist")

    def _add(self, request: HttpRequest, token: UUID) -> str:
        """Add what the kept file holds and return what to say. Raises `UnreadableFile`, `AlreadyDone`."""
        content = uploads.find(token, made_by=request.user)
        file = files.read(content) if content is not None else None
        if file is None or not file.is_right:
            raise files.UnreadableFile(NOT_KEPT)
        step = once.Step(token, STEP, lambda added: f"{len(added):,} products were added and published.")
        with once.taking(step):
            return step.tell(products.add_all([row.columns for row in file.rows], made_by=request.user))
