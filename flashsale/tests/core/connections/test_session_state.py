"""Nothing depends on a session: behind a pooler of transactions the next statement may meet another one."""

import re

import pytest

from flashsale.core.configuration.database_connections import program_name
from flashsale.tests.support.source_code import PROJECT

# Locks, settings, channels, tables, cursors and statements of a session.
OF_SESSIONS = re.compile(
    r"pg_(?:try_)?advisory_lock|\bSET (?:SESSION|ROLE)\b|\bset_config\([^)]*false|[\"']LISTEN\b|\bCREATE TEMP|"
    r"\bWITH HOLD\b|[\"']PREPARE\b|[\"']SET (?!LOCAL|CONSTRAINTS|TRANSACTION)[a-z_]+ *(?:=|TO)"
)
# `migrate` goes to PostgreSQL itself (docs/deployment.md).
ALLOWED = {"flashsale/apps.py"}


def of_sessions() -> dict[str, list[str]]:
    """Return what depends on a session, by module."""
    found = {}
    for package in ("flashsale", "catalog", "checkout", "payments"):
        for path in (PROJECT / package).rglob("*.py"):
            name = str(path.relative_to(PROJECT))
            if "/tests/" not in name and (matches := OF_SESSIONS.findall(path.read_text())):
                found[name] = matches
    return found


def test_nothing_in_the_code_depends_on_a_session():
    assert set(of_sessions()) == ALLOWED


@pytest.mark.parametrize(
    "sql", ["SELECT pg_advisory_lock(1)", '"LISTEN x"', "CREATE TEMP TABLE x ()", '"SET statement_timeout = 0"']
)
def test_what_depends_on_a_session_would_be_found(sql):
    assert OF_SESSIONS.search(sql)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["manage.py", "audit_stock"], "flashsale-audit_stock"),
        (["/venv/bin/celery", "-A", "flashsale", "worker", "-Q", "expiry,celery"], "flashsale-worker-expiry-celery"),
        (["/venv/celery/__main__.py", "-A", "flashsale", "worker"], "flashsale-worker"),
        (["celery", "-A", "flashsale", "beat"], "flashsale-beat"),
        (["/venv/bin/pytest"], "flashsale"),
    ],
)
def test_connections_are_named_by_the_program(argv, name):
    assert program_name(argv) == name
