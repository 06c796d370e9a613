"""Code, test names and documents use the field's terms: no personified threads, rows and requests.

The list is short on purpose. People do things here too: "who changed it" and "staff who decide" are fine.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.source_code import modules_of_tests, production_modules

FORBIDDEN = re.compile(
    r"\b(?:whoever|whomever|nobody|somebody|anybody|everybody|strangers?|latecomers?)\b"
    r"|\b(?:hears?|believe[sd]?|spoils?)\b|\bin a circle\b|\blittle patience\b"
    # A clause without a noun before it: "Who waits needs no connection".
    r"|(?<![a-z] )\b(?:those )?who (?:waits?|leads?|led|comes?|came|asks?|asked|looks?|looked|arrives?|decides?)\b",
    re.IGNORECASE,
)
# The rule itself, an account of the system, and the text of a demo product.
ALLOWED = ('"whoever" or "nobody"', '"nobody"', "`nobody`", "The one everybody wants")
TEXTS = ["*.md", "docs/**/*.md", "benchmarks/*.md", "deploy/*.*", "docker-compose.yml", "Makefile", ".env.example"]


def texts() -> list[Path]:
    """Return the documents and configuration files."""
    return sorted({path for pattern in TEXTS for path in PROJECT.glob(pattern) if path.suffix != ".json"})


def sources() -> list[Path]:
    """Return the modules of the product, which are checked as a whole."""
    scripts = [path for folder in ("benchmarks", "loadtest") for path in (PROJECT / folder).rglob("*.py")]
    return [PROJECT / "manage.py", *production_modules(), *scripts]


def prose_of_tests(source: str) -> Iterator[tuple[int, str]]:
    """Yield the names, docstrings and comments of a module of tests, each with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.lineno, node.name.replace("_", " ")
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def faults(text: str) -> list[str]:
    """Return the forbidden words of a text."""
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return [match[0] for match in FORBIDDEN.finditer(text)]


def _name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("path", [*texts(), *sources()], ids=_name)
def test_documents_and_code_use_the_fields_terms(path):
    lines = enumerate(path.read_text().splitlines(), start=1)

    assert [f"{number}: {word}" for number, line in lines for word in faults(line)] == []


@pytest.mark.parametrize("path", [path for path in modules_of_tests() if path.name != "test_prose.py"], ids=_name)
def test_tests_use_the_fields_terms(path):
    found = [f"{number}: {word}" for number, text in prose_of_tests(path.read_text()) for word in faults(text)]

    assert found == []


@pytest.mark.parametrize(
    "planted",
    [
        "Who waits needs no connection; those who lead do.",
        "so that nobody waits",
        "stored before anybody believes it",
        "Whoever comes meanwhile waits in line.",
        "The other hears what it did.",
        "one bad request spoils the batch",
        "the row that everybody wants",
        "locks are taken in one order, so that none waits in a circle",
        "log-ins of strangers",
    ],
)
def test_a_personified_request_is_found(planted):
    assert faults(planted)


@pytest.mark.parametrize(
    "planted", ["def test_a_stranger_is_refused():\n    pass", "# Who came first leads.", '"""Nobody."""']
)
def test_names_comments_and_docstrings_of_tests_are_read(planted):
    assert any(faults(text) for _, text in prose_of_tests(planted))


@pytest.mark.parametrize(
    "text",
    [
        "The history shows who changed the price.",
        "members of staff who decide an event in doubt",
        "every buyer who comes too late",
        'runs as "nobody"',
        "shoulders",
        "a heartbeat that is heard",
    ],
)
def test_ordinary_english_is_allowed(text):
    assert faults(text) == []
