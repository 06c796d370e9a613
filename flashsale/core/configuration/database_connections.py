"""How connections to PostgreSQL are made: time-outs, a pooler in between, and the name under which they are seen."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flashsale.core.configuration.environment import text

NAME = "DATABASE_APPLICATION_NAME"
# PostgreSQL cuts a longer one.
_LIKE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PREFIX = "flashsale"


def connection_options(*, timeouts_ms: Mapping[str, int], has_pooler: bool) -> dict[str, Any]:
    """Return the options of each connection. Behind a pooler the time-outs are the role's (docs/deployment.md)."""
    options = {
        "application_name": application_name(),
        "connect_timeout": 2,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    if not has_pooler:
        options["options"] = " ".join(f"-c {name}={ms}" for name, ms in timeouts_ms.items())
    return options


def application_name() -> str:
    """Return the name of this process's connections in `pg_stat_activity`: the setting, else by its program."""
    given = text(NAME, like=_LIKE, expected="1 to 63 letters, digits, dots, dashes, underscores")
    return given or program_name(sys.argv)


def name_connections(name: str) -> None:
    """Give the connections of this process a name, unless the environment does; before the settings are read."""
    if not os.environ.get(NAME, "").strip():
        os.environ[NAME] = f"{_PREFIX}-{name}"


def program_name(argv: Sequence[str]) -> str:
    """Return the name for a command line: `flashsale-worker-expiry`, `flashsale-beat`, `flashsale-audit_stock`."""
    program, arguments = Path(argv[0] if argv else ""), list(argv[1:])
    if program.name == "manage.py" and arguments:
        kind = arguments[0]
    elif "celery" in {program.name, program.parent.name}:
        kind = "worker" if "worker" in arguments else "beat" if "beat" in arguments else "celery"
        if "-Q" in arguments[:-1]:
            kind += "-" + arguments[arguments.index("-Q") + 1]
    else:
        return _PREFIX
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{_PREFIX}-{kind}")[:63]
