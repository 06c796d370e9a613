"""`docs/defects.md` names a test for each defect, and every test that is named after a defect."""

import ast
import re

from flashsale.tests.support.processes import PROJECT

APPS = ("catalog", "checkout", "payments", "flashsale")
IDS = [
    f"{letter}{number}"
    for letter, last in zip("OLKSA", (13, 15, 6, 6, 7), strict=True)
    for number in range(1, last + 1)
]
ROW = re.compile(r"^\| ([A-Z]\d+) \| [^|]+ \| [^|]+ \| `([\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
NAMED_AFTER_AN_ID = re.compile(r"test_([a-z]\d+)_")


def rows() -> list[tuple[str, str, str]]:
    """Return id, path and test of each row."""
    return ROW.findall((PROJECT / "docs" / "defects.md").read_text())


def named_after_ids() -> set[tuple[str, str, str]]:
    found = set()
    for app in APPS:
        for path in (PROJECT / app).rglob("test_*.py"):
            functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
            named = [(match[1].upper(), name) for name in functions if (match := NAMED_AFTER_AN_ID.match(name))]
            found |= {(number, str(path.relative_to(PROJECT)), name) for number, name in named}
    return found


def test_every_defect_has_one_row():
    assert [number for number, _, _ in rows()] == IDS


def test_the_rows_name_the_tests_that_are_named_after_defects_and_no_others():
    assert set(rows()) == named_after_ids()
