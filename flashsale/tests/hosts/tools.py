"""The programs on the hosts that pip does not install into the project's environment."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from flashsale.tests.support.browser import tool

__all__ = ["patroni", "require", "tool"]
PROGRAMS = ("ip", "etcd", "haproxy", "pgbouncer")


def require() -> None:
    """Skip a test where a program is missing, and where this user may not make network namespaces; CI has them all."""
    if os.geteuid() != 0:
        pytest.skip("hosts of its own need root: network namespaces, and files of other users")
    for name in PROGRAMS:
        tool(name)
    patroni()


def patroni() -> str:
    """Return the path of Patroni: of `make patroni`, or on PATH; without it the test is skipped, and fails in CI."""
    made = Path(sys.prefix) / "patroni/bin/patroni"
    path = str(made) if made.exists() else shutil.which("patroni")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("patroni is not installed: `make patroni` does it")
    return path
