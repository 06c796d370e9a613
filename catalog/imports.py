"""Products from a CSV file: read, shown with what is wrong, and added all at once or not at all."""

import csv
import io
from dataclasses import dataclass
from typing import Any

from django import forms

from catalog.models import DEFAULT_MAX_PER_HOLD, Product
from flashsale.core.http import MAX_INTEGER
from flashsale.core.refusals import Refusal

MAX_ROWS = 1_000
REQUIRED = ("name", "price", "currency", "stock")
OPTIONAL = ("description", "max_per_hold", "max_per_customer", "sale_starts_at", "sale_ends_at")


class UnreadableFile(Refusal):
    code = "unreadable_file"
    title = "This is not a CSV file of products"


class RowForm(forms.ModelForm):
    """One line: text becomes columns, or sentences about what is wrong."""

    stock = forms.IntegerField(min_value=0, max_value=MAX_INTEGER)
    max_per_hold = forms.IntegerField(min_value=1, max_value=MAX_INTEGER, required=False)

    class Meta:
        model = Product
        fields = ("name", "price", "currency", *OPTIONAL)

    def clean_max_per_hold(self) -> int:
        given = self.cleaned_data["max_per_hold"]
        return DEFAULT_MAX_PER_HOLD if given is None else given


@dataclass(frozen=True)
class Row:
    """One line of the file: its number, its text by column, what it means, and what is wrong with it."""

    number: int
    text: dict[str, str]
    columns: dict[str, Any]
    faults: list[str]


def read(content: str) -> list[Row]:
    """Return every line after the header; writes nothing.

    Times are ISO 8601; without an offset they are in the server's time zone. Raises `UnreadableFile`.
    """
    reader = csv.DictReader(io.StringIO(content.removeprefix("\ufeff")), strict=True)
    try:
        given = [name.strip().lower() for name in reader.fieldnames or []]
        reader.fieldnames = given
        lines = list(reader)
    except csv.Error as error:
        raise UnreadableFile(f"Line {reader.line_num + 1}: {error}.") from error
    unknown = sorted(set(given) - {*REQUIRED, *OPTIONAL})
    missing = [name for name in REQUIRED if name not in given]
    if missing or unknown or len(set(given)) != len(given):
        raise UnreadableFile(
            f"The first line must name the columns {', '.join(REQUIRED)} and may name {', '.join(OPTIONAL)}, each once."
            f" Missing: {', '.join(missing) or '-'}; unknown: {', '.join(unknown) or '-'}."
        )
    if not 1 <= len(lines) <= MAX_ROWS:
        raise UnreadableFile(f"There must be 1 to {MAX_ROWS} products; there are {len(lines)}.")
    return [_row(number, line) for number, line in enumerate(lines, start=2)]


def _row(number: int, line: dict[Any, Any]) -> Row:
    if None in line or None in line.values():
        return Row(number, {str(k): str(v) for k, v in line.items()}, {}, ["It has not as many values as columns."])
    form = RowForm(line)
    if form.is_valid():
        return Row(number, line, form.cleaned_data, [])
    return Row(number, line, {}, [f"{name}: {' '.join(texts)}" for name, texts in form.errors.items()])
