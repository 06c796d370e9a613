"""Links between the admin's pages."""

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def page_of(row: Model) -> str:
    """Return the path of a row's page in the admin."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(row.pk)])


def link_to(row: Model | None, text: str = "") -> SafeString | str:
    """Return a link to a row's page, with its name unless `text` is given; "-" for None."""
    return "-" if row is None else format_html('<a class="text-link" href="{}">{}</a>', page_of(row), text or row)


def sentence_cell(text: SafeString | str) -> SafeString:
    """Return a text for a list's cell that may be as long as a sentence: it is wrapped."""
    return format_html('<span class="cell-sentence">{}</span>', text)
