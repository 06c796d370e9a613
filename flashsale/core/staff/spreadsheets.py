"""Lines of cells from the bytes of a CSV file, as spreadsheets of all countries write it.

The encoding is UTF-8 (with or without a byte order mark), UTF-16 or Windows-1252; the delimiter a comma, a semicolon or
a tab, found by the names in the first line or declared by a line `sep=;` before it; lines end with LF, CRLF or CR. The
encoding and the delimiter that were detected are returned with the lines, so that people can check them.
"""

import codecs
import csv
import io
import re
from dataclasses import dataclass

from flashsale.core.refusals import Refusal

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# How many of the first bytes are looked at to find UTF-16 without a byte order mark.
SAMPLE_BYTES = 400
# How many characters of the first line are looked at to find the delimiter.
SAMPLE_LENGTH = 10_000
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n])"?[;,\t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
# How .xlsx and .ods files begin.
_ARCHIVE = b"PK\x03\x04"


class UnreadableFile(Refusal):
    """`detail` says what is wrong with the file as a whole."""

    code = "unreadable_file"
    title = "This is not a CSV file"


@dataclass(frozen=True)
class Line:
    """One line of cells; `number` is where it begins in the file, from 1. With a `fault` it could not be read."""

    number: int
    cells: list[str]
    fault: str = ""


@dataclass(frozen=True)
class Sheet:
    """The lines that are not blank, and the encoding and delimiter that were detected."""

    lines: list[Line]
    encoding: str
    delimiter: str

    @property
    def read_as(self) -> str:
        return f"{self.encoding}, separated by {DELIMITERS[self.delimiter]}"


def name_of(cell: str) -> str:
    """Return a column's name as programs write it: `Max per hold` is `max_per_hold`."""
    return "_".join(cell.lower().split())


def read(raw: bytes, *, columns: set[str]) -> Sheet:
    """Return the lines of the file; `columns` are names that its first line is expected to hold.

    Raises `UnreadableFile` when the bytes are no text.
    """
    text, encoding = _decode(raw)
    declared = _SEPARATOR_LINE.match(text)
    if declared and declared[1] not in DELIMITERS:
        raise UnreadableFile(f"Line 1: sep={declared[1]} is neither a comma, a semicolon nor a tab.")
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else _delimiter_of(text, columns)
    return Sheet(_lines(text, delimiter, first=2 if declared else 1), encoding, delimiter)


def _decode(raw: bytes) -> tuple[str, str]:
    """Return the text, and the encoding's name for people."""
    if raw.startswith(_ARCHIVE):
        raise UnreadableFile("This is a workbook (such as .xlsx or .ods). Save the sheet as CSV and choose that file.")
    encoding, name = _encoding_of(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_after(raw[: error.start].decode(encoding, "ignore"))
        raise UnreadableFile(f"Line {line}: byte 0x{raw[error.start]:02x} cannot be read as {name}.") from error
    if "\0" in text:
        line = _line_after(text[: text.index("\0")])
        raise UnreadableFile(f"Line {line}: there is a NUL character; this is not text.")
    return text, name


def _line_after(text: str) -> int:
    """Return the number of the line in which this beginning of a file ends."""
    return len(_LINE_END.findall(text)) + 1


def _encoding_of(raw: bytes) -> tuple[str, str]:
    if raw.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", "UTF-8"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "UTF-16"
    # Half of the bytes of Western text in UTF-16 are zero; in the other encodings none is.
    sample = raw[:SAMPLE_BYTES]
    if 4 * sample[1::2].count(0) > len(sample):
        return "utf-16-le", "UTF-16"
    if 4 * sample[0::2].count(0) > len(sample):
        return "utf-16-be", "UTF-16"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252", "Windows-1252"
    return "utf-8", "UTF-8"


def _delimiter_of(text: str, columns: set[str]) -> str:
    """Return the delimiter that splits the first line with text into the most names of columns."""
    lines = io.StringIO(text, newline="")
    first = next((line for line in lines if line.strip(" \t\r\n,;\"'")), "")[:SAMPLE_LENGTH].rstrip("\r\n")

    def names(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([first], delimiter=delimiter), [])
        return sum(name_of(cell) in columns for cell in cells), len(cells)

    return max(DELIMITERS, key=names)


def _lines(text: str, delimiter: str, *, first: int) -> list[Line]:
    """Return the lines with at least one cell that is not blank; one that breaks the rules of quoting has a fault."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[Line] = []
    while True:
        number = reader.line_num + first
        try:
            cells = next(reader)
        except StopIteration:
            return lines
        except csv.Error as error:
            lines.append(Line(number, [], _fault_of(error)))
            continue
        if any(cell.strip() for cell in cells):
            lines.append(Line(number, cells))


def _fault_of(error: csv.Error) -> str:
    if str(error) == "unexpected end of data":
        return "A quotation mark is opened here and never closed."
    if "expected after" in str(error):
        return "After a closing quotation mark there must be a delimiter; a quotation mark inside is written twice."
    return f"{str(error).capitalize()}."
