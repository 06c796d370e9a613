"""What is logged during a test, as the lines that production writes."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flashsale.observability import logs


class Lines(logging.Handler):
    """Keeps every record as the line of JSON that production writes."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.formatter("json"))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's line."""
        self.texts.append(self.format(record))

    def named(self, event: str) -> list[dict]:
        """Return the events of this name, in order."""
        return [line for line in map(json.loads, self.texts) if line["event"] == event]


@contextmanager
def logged() -> Iterator[Lines]:
    """Keep everything that is logged in this block, from the level INFO on."""
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
