"""The page on which staff add products from a CSV file: a preview, then the confirmation."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminFileFieldWidget

from catalog import products
from catalog.imports import files
from catalog.models import DEFAULT_MAX_PER_HOLD, Product
from flashsale.core.staff.model_admin import staff_of
from flashsale.core.staff.spreadsheets import UnreadableFile
from flashsale.core.staff.theme import ModelAdminMixin, page_action
from flashsale.core.submissions import once, uploads

STEP = "catalog.product.import"
# How many names of existing products the preview lists.
MAX_NAMES_SHOWN = 20
# How many of the added products the outcome names.
MAX_ADDED_SHOWN = 5
# How many faults the outcome names.
MAX_FAULTS_SHOWN = 5
EXPIRED = "This file is not stored any more. Choose it again."
CHANGED = "Nothing was added: other products were added or changed meanwhile."


class FileForm(forms.Form):
    """A CSV file."""

    file = forms.FileField(
        label="CSV file", widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.tsv,.txt,text/csv"})
    )

    def clean_file(self) -> bytes:
        # One byte more than is allowed shows that the file is too large.
        content: bytes = self.cleaned_data["file"].read(files.MAX_BYTES + 1)
        return content


def _describe(added: list[Product]) -> str:
    """Say which products were added; of many, the first ones."""
    named = ", ".join(f"{product} (id {product.pk})" for product in added[:MAX_ADDED_SHOWN])
    more = len(added) - MAX_ADDED_SHOWN
    rest = f" and {more:,} more" if more > 0 else ""
    products_were = "1 product was" if len(added) == 1 else f"{len(added):,} products were"
    return f"{products_were} added and published: {named}{rest}."


def _sentence_of(refusal: UnreadableFile | ValidationError) -> str:
    """Say why nothing was added."""
    return refusal.detail if isinstance(refusal, UnreadableFile) else f"{CHANGED} {' '.join(refusal.messages)}"


class ProductImportMixin(ModelAdminMixin):
    """Products are added from a file, which is stored between its preview and the confirmation."""

    actions_list = ("import_csv",)

    @page_action(description="Import from CSV", url_path="import", permissions=["add"])
    def import_csv(self, request: HttpRequest) -> HttpResponse:
        """Preview an uploaded file with its faults; add its products when the preview is confirmed."""
        if "confirmed" in request.POST:
            return self._confirm(request)
        form = FileForm(request.POST or None, request.FILES or None)
        preview: dict[str, Any] = {}
        if form.is_valid():
            content = form.cleaned_data["file"]
            try:
                preview = self._preview(request, content)
            except UnreadableFile as refusal:
                form.add_error("file", refusal.detail)
        context = self.admin_site.each_context(request) | preview | {
            "title": "Import products", "content_title": "Import products", "opts": self.opts, "form": form,
            "required": files.REQUIRED, "optional": files.OPTIONAL,
            "headings": [name.replace("_", " ") for name in files.PREVIEW_COLUMNS],
            "most_rows": files.MAX_ROWS, "most_mib": files.MAX_BYTES // 1024**2,
            "zone": timezone.get_current_timezone_name(),
            "default_max_per_hold": DEFAULT_MAX_PER_HOLD, "most_names": MAX_NAMES_SHOWN,
        }  # fmt: skip
        return TemplateResponse(request, "catalog/import.html", context)

    def _preview(self, request: HttpRequest, content: bytes) -> dict[str, Any]:
        """Return the context of the preview; a file without faults is stored. Raises `UnreadableFile`."""
        file = files.read(content)
        token = {once.FIELD: uploads.store(content, made_by=staff_of(request))} if file.is_valid else {}
        return token | {
            "file": file,
            "rows": [(row, [row.preview.get(name, "") for name in files.PREVIEW_COLUMNS]) for row in file.rows],
            "wrong": [row for row in file.rows if row.faults],
            "in_use": sorted(files.names_in_use(file.rows))[:MAX_NAMES_SHOWN],
        }

    def _confirm(self, request: HttpRequest) -> HttpResponse:
        token = once.token_of(request.POST)
        try:
            outcome = once.outcome_of(token, STEP)
            if outcome is None:
                self.message_user(request, self._add(request, token), messages.SUCCESS)
                return redirect("admin:catalog_product_changelist")
        except once.AlreadyDone as done:
            outcome = done.detail
        except (UnreadableFile, ValidationError) as refusal:
            self.message_user(request, _sentence_of(refusal), messages.ERROR)
            return redirect("admin:catalog_product_import_csv")
        self.message_user(request, f"Already done: {outcome}", messages.WARNING)
        return redirect("admin:catalog_product_changelist")

    def _add(self, request: HttpRequest, token: UUID) -> str:
        """Add the products of the stored file; return the outcome.

        Raises `UnreadableFile`, `AlreadyDone`, and `ValidationError` where one was added meanwhile that excludes them.
        """
        content = uploads.find(token, made_by=staff_of(request))
        if content is None:
            raise UnreadableFile(EXPIRED)
        file = files.read(content)
        if faults := [f"Line {row.number}: {fault}" for row in file.rows for fault in row.faults]:
            raise UnreadableFile(f"{CHANGED} {' '.join(faults[:MAX_FAULTS_SHOWN])}")
        step = once.Step(token, STEP, _describe)
        with once.performing(step):
            return step.describe(products.add_all([row.columns for row in file.rows], made_by=staff_of(request)))
