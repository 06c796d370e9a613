"""The project's own modules, for the tests that read source code."""

from pathlib import Path

from flashsale.tests.support.processes import PROJECT

APPS = ("catalog", "checkout", "payments", "flashsale")


def modules_of_tests() -> list[Path]:
    """Return every module below a `tests` folder."""
    return [path for app in APPS for path in sorted((PROJECT / app).rglob("*.py")) if "tests" in path.parts]


def production_modules() -> list[Path]:
    """Return every module of the project but tests and migrations."""
    return [
        path
        for app in APPS
        for path in sorted((PROJECT / app).rglob("*.py"))
        if not {"tests", "migrations"} & set(path.relative_to(PROJECT).parts)
    ]
