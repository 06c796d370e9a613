"""Reads a CSV file of products: every line becomes columns, the text of its preview, and its faults."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS

from catalog import skus
from catalog.imports.fields import RowForm, preview_of
from catalog.models import Product
from flashsale.core.staff import spreadsheets
from flashsale.core.staff.spreadsheets import Line, Sheet, UnreadableFile

MAX_ROWS = 5_000
MAX_BYTES = 2 * 1024 * 1024
REQUIRED = ("name", "price", "currency", "stock")
OPTIONAL = (
    "sku", "description", "image_url", "max_per_hold", "max_per_customer", "sale_starts_at", "sale_ends_at", "queue",
    "queue_opens_at", "admission_rate_max",
)  # fmt: skip
COLUMNS = (*REQUIRED, *OPTIONAL)
# A price is shown with its currency.
PREVIEW_COLUMNS = tuple(name for name in COLUMNS if name != "currency")
WRONG_COUNT = "It has more or fewer values than there are columns."
_DECIMAL_COMMA = re.compile(r"^([+-]?\d+),(\d+)$", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One product of the file: its line, its columns, the text of its preview by column, and its faults."""

    number: int
    columns: dict[str, Any]
    preview: dict[str, str]
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class File:
    """The products of a file, and the encoding and delimiter that were detected."""

    rows: list[Row]
    read_as: str

    @property
    def is_valid(self) -> bool:
        return not any(row.faults for row in self.rows)


def read(raw: bytes) -> File:
    """Return every product of a file; writes nothing.

    Lines whose SKU an earlier line has, or a stored product, are at fault. Times are ISO 8601; without an offset they
    are in `TIME_ZONE`. Raises `UnreadableFile`.
    """
    if len(raw) > MAX_BYTES:
        raise UnreadableFile(f"The file is larger than {MAX_BYTES // 1024**2} MiB.")
    sheet = spreadsheets.read(raw, columns=set(COLUMNS))
    header, lines = (sheet.lines[0], sheet.lines[1:]) if sheet.lines else (Line(1, []), [])
    names = _names(header)
    if not 1 <= len(lines) <= MAX_ROWS:
        raise UnreadableFile(f"There must be 1 to {MAX_ROWS:,} products; there are {len(lines):,}.")
    rows = [_row(line, names, sheet) for line in lines]
    return File(list(_with_faults_of_skus(rows)), sheet.read_as)


def names_in_use(rows: Iterable[Row]) -> set[str]:
    """Return the names in the file that existing products have."""
    return set(
        Product.objects.filter(name__in=[row.columns.get("name", "") for row in rows]).values_list("name", flat=True)
    )


def _with_faults_of_skus(rows: list[Row]) -> Iterator[Row]:
    """Yield the rows; those whose SKU is used already say by whom."""
    given = [(row, row.preview.get("sku", "")) for row in rows]
    used, first_with = skus.in_use([sku for _, sku in given if sku and sku.isprintable()]), dict[str, int]()
    for row, sku in given:
        fault = ""
        if sku and first_with.setdefault(sku, row.number) != row.number:
            fault = f"sku: Line {first_with[sku]} has the same one."
        elif sku in used:
            fault = "sku: Another product has this SKU."
        yield replace(row, faults=[*row.faults, fault]) if fault else row


def _names(header: Line) -> list[str]:
    """Return the name of each column, empty for one without."""
    names = [spreadsheets.name_of(cell) for cell in header.cells]
    named = [name for name in names if name]
    missing = [name for name in REQUIRED if name not in named]
    unknown = sorted(set(named) - set(COLUMNS))
    repeated = sorted({name for name in named if named.count(name) > 1})
    if header.fault or missing or unknown or repeated:
        raise UnreadableFile(
            f"Line {header.number}: {header.fault or 'It does not name the columns.'}"
            f" It must name {', '.join(REQUIRED)} and may name {', '.join(OPTIONAL)}, each once."
            f" Missing: {', '.join(missing) or '-'}; unknown: {', '.join(unknown) or '-'};"
            f" more than once: {', '.join(repeated) or '-'}."
        )
    return names


def _row(line: Line, names: list[str], sheet: Sheet) -> Row:
    text = {name: cell.strip() for name, cell in zip(names, line.cells, strict=False) if name}
    unnamed_cells = [cell for name, cell in zip(names, line.cells, strict=False) if not name] + line.cells[len(names) :]
    if line.fault or any(cell.strip() for cell in unnamed_cells) or len(text) < sum(map(bool, names)):
        return Row(line.number, {}, _preview_of_text(text), [line.fault or WRONG_COUNT])
    if sheet.delimiter != ",":
        text["price"] = _DECIMAL_COMMA.sub(r"\1.\2", text["price"])
    form = RowForm(text)
    if form.is_valid():
        return Row(line.number, form.cleaned_data, preview_of(form.cleaned_data))
    return Row(line.number, {}, _preview_of_text(text), list(_faults(form)))


def _preview_of_text(text: dict[str, str]) -> dict[str, str]:
    """Return the preview of a line that is at fault: its cells as they were written."""
    return text | {"price": f"{text.get('price', '')} {text.get('currency', '')}".strip()}


def _faults(form: RowForm) -> Iterable[str]:
    for name, texts in form.errors.items():
        sentences = " ".join(str(text) for text in texts)
        yield sentences if name == NON_FIELD_ERRORS else f"{name}: {sentences}"
