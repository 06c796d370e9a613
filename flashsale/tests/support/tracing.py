"""Which functions of the project a request enters."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

from flashsale.tests.support.processes import PROJECT


def _name_of(code: CodeType) -> str | None:
    """Return `package.module.function` for a public function of the project, else None."""
    path = Path(code.co_filename)
    if not path.is_relative_to(PROJECT) or ".venv" in path.parts or "tests" in path.parts:
        return None
    parts = code.co_qualname.split(".")
    if any(part.startswith(("_", "<")) for part in parts):
        return None
    module = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join([*(part for part in module if part != "__init__"), *parts])


@contextlib.contextmanager
def functions_entered() -> Iterator[list[str]]:
    """Give, once it is over, the public functions that this thread and new ones entered, in order of first entry."""
    entered: dict[str, None] = {}
    names: list[str] = []

    def on_event(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (name := _name_of(frame.f_code)) is not None:
            entered.setdefault(name)

    # Threads that begin meanwhile: the worker threads of the request's event loop.
    threading.setprofile(on_event)
    sys.setprofile(on_event)
    try:
        yield names
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        names.extend(entered)
