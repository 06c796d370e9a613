"""The theme's style sheet has only the classes that its own pages use: ours may use no other ones."""

import re
from pathlib import Path

import unfold

from flashsale.tests.support.processes import PROJECT

THEME = Path(unfold.__file__).parent / "static" / "unfold" / "css"
# Names of what scripts look for.
HOOKS = {"submit-row"}
_CLASSES = re.compile(r'(?<!:)class="([^"]*)"')
# A name that a tag completes is left out with it.
_TAGS = re.compile(r"{%.*?%}|[\w-]*{{.*?}}")


def templates() -> list[Path]:
    """Return the project's own templates."""
    roots = [PROJECT / app / "templates" for app in ("flashsale", "catalog", "checkout", "payments")]
    return [path for root in roots for path in root.rglob("*.html")]


def styled_classes() -> set[str]:
    """Return every class that a style sheet of the pages has a rule for."""
    sheets = [*THEME.glob("*.css"), *(PROJECT / "flashsale" / "static" / "flashsale").glob("*.css")]
    text = "".join(sheet.read_text() for sheet in sheets)
    return {re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"\.((?:[\w-]|\\.)+)", text)}


def classes_of(template: Path) -> set[str]:
    """Return the classes that stand in a template as they are."""
    found = _CLASSES.findall(template.read_text())
    return {name for classes in found for name in _TAGS.sub(" ", classes).split()}


def test_every_class_of_a_template_has_a_rule():
    styled = styled_classes()

    unknown = {
        str(path.relative_to(PROJECT)): sorted(missing)
        for path in templates()
        if (missing := classes_of(path) - styled - HOOKS)
    }

    assert len(templates()) > 20
    assert unknown == {}
