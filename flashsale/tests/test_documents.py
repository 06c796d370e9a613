"""The documents name paths, modules and functions that exist.

Checked are links, and text in backticks that is a path or a dotted name. A dotted name may begin with a package
(`checkout.orders.place`), with the last part of a module's name (`orders.place`) or with a class (`Order.refund`).
"""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import TEST_TYPE
from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.source_code import APPS, production_modules

DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *PROJECT.glob("*/RESULTS.md")])
PACKAGES = (*APPS, "benchmarks", "loadtest")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.\w+)+)(?:\(.*\))?")
PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]*)*")
# Migrations, a unit, types of events, events and fields of Stripe, a file of the state folder, Python itself.
TYPES_OF_EVENTS = "|".join(re.escape(name) for name in (*EventType.values, TEST_TYPE))
NOT_OURS = re.compile(
    rf"{TYPES_OF_EVENTS}|"
    r"\w+\.\d{4}|flashsale\.target|(?:charge|checkout\.session|metadata|payment_intent|refund)\.[\w.]+|local\.env|(?:os|sys)\.\w+"
)
FILE = re.compile(r"[\w*-]+\.(?:py|md|yml|yaml|toml|conf|sh|html|css|js|json|txt)")


@cache
def named_modules() -> dict[str, list[str]]:
    """Return the project's modules by the last part of their names."""
    modules: dict[str, list[str]] = {}
    for path in production_modules():
        parts = path.relative_to(PROJECT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        modules.setdefault(parts[-1], []).append(".".join(parts))
    return modules


@cache
def named_classes() -> dict[str, list[str]]:
    """Return the modules in which a class of this name stands."""
    classes: dict[str, list[str]] = {}
    for path in production_modules():
        module = ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, []).append(f"{module}.{node.name}")
    return classes


def resolves(name: str) -> bool:
    """Say whether a full dotted name is a module of the project, or an attribute of one."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return False
    for length in range(len(parts), 0, -1):
        try:
            target: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return _has(target, parts[length:])
    return False


def _has(target: object, names: list[str]) -> bool:
    for position, name in enumerate(names):
        if not hasattr(target, name):
            fields = {field.name for field in dataclasses.fields(target)} if dataclasses.is_dataclass(target) else set()
            return position == len(names) - 1 and name in fields | getattr(target, "__annotations__", {}).keys()
        target = getattr(target, name)
    return True


def is_known(name: str) -> bool:
    """Say whether a dotted name exists, from a package, a module, its object of the same name, or a class on."""
    first, _, rest = name.partition(".")
    candidates = named_classes().get(first, []) if first[0].isupper() else named_modules().get(first, [])
    return resolves(name) or any(
        resolves(f"{candidate}.{rest}") or resolves(f"{candidate}.{first}.{rest}") for candidate in candidates
    )


def is_there(path: str, *folders: Path) -> bool:
    """Say whether a path, or a pattern of paths, exists in the project's folder or in one of these.

    A module of tests may be named without its folder, and so may a file that each app has.
    """
    if path.startswith("test_"):
        return any(any((PROJECT / app).rglob(path)) for app in APPS)
    if all((PROJECT / app / path).is_file() for app in ("catalog", "checkout", "payments")):
        return True
    return any(any(folder.glob(path.rstrip("/"))) for folder in (PROJECT, *folders))


def faults(document: Path, text: str) -> Iterator[str]:
    """Yield what the text of a document names and the project does not have.

    A file's name without a folder stands for one in the folder of the path before it on its line, if there is one.
    """
    for line in FENCE.sub("", text).splitlines():
        links = [link for link in LINK.findall(line) if not link.startswith(("http:", "https:", "/"))]
        yield from (link for link in links if not (document.parent / link).exists())
        folders = [document.parent]
        for code in CODE.findall(line):
            path = code.partition("::")[0]
            if NOT_OURS.fullmatch(code):
                continue
            if PATH.fullmatch(path) and _is_path(path):
                if not is_there(path, *folders):
                    yield code
                folders = [document.parent, *_folders_of(path), *folders[1:]] if "/" in path else folders
            elif (name := DOTTED.fullmatch(code)) and not is_known(name[1]):
                yield code


def _is_path(path: str) -> bool:
    return bool(FILE.fullmatch(path)) or ("/" in path and (PROJECT / path.partition("/")[0]).is_dir())


def _folders_of(path: str) -> list[Path]:
    """Return the folders in which the names that follow a path on its line may be."""
    folder = PROJECT / path.rstrip("/")
    return [folder, folder.parent] if path.endswith("/") else [folder.parent]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_a_document_names_exists(document):
    assert list(faults(document, document.read_text())) == []


@pytest.mark.parametrize(
    "planted",
    [
        "[here](docs/no.md)", "`checkout/no.py`", "`checkout/holds/__init__.py` and `nothing.py`", "`flashsale/no/`",
        "`checkout.orders.no`", "`orders.no`", "`checkout.no`", "`Order.no`", "`inventory.no(units=1)`",
        "`checkout/tests/test_no.py::test_it`", "`no.orders`", "`kv.no`", "`deploy/no*.conf`",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_found(planted):
    assert len(list(faults(PROJECT / "README.md", planted))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "[here](docs/api.md#holds)", "[there](https://example.com/no.md)", "`checkout/orders/`", "`manage.py`",
        "`deploy/*.conf`", "`checkout.orders`", "`orders.place`", "`orders.place(hold_id=...)`", "`Order.refund`",
        "`os.environ`", "`/api/v1/holds`", "`no idea.at all`", "```\n`checkout/no.py`\n```",
    ],
)  # fmt: skip
def test_what_exists_and_what_is_not_ours_is_allowed(text):
    assert list(faults(PROJECT / "README.md", text)) == []
