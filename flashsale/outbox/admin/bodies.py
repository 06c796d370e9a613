"""JSON and other texts on pages: indented, and as they are where they are no JSON."""

import json

from django.utils.html import format_html
from django.utils.safestring import SafeString


def indented(text: str) -> str:
    """Return JSON with one member in a line; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def collapsed(title: str, text: str, *, is_open: bool = False) -> SafeString:
    """Return a text under a title that opens it; `is_open` says whether it begins open."""
    opening = "<details open>" if is_open else "<details>"
    return format_html(opening + '<summary>{}</summary><pre class="live-raw">{}</pre></details>', title, text)
