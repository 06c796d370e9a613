"""`STATE_DIR/local.env`: the settings that `make run` chooses for a local system."""

import os
import secrets
import shlex
import sys
from pathlib import Path

from flashsale.core.configuration import environment
from flashsale.local import provider_settings, servers

FILE_NAME = "local.env"
DEFAULT_PORT = 8000
MAX_DIGITS = 5
SECRET_BYTES = 48


class CannotStart(Exception):
    """The local system cannot be started; the message is shown to the user."""


def prepare(state_dir: Path) -> None:
    """Write the file on the first start; later keep its secrets, and its port until `keep_port` changes it.

    Raises `CannotStart` for a bad port or when a system already runs on this folder, `ImproperlyConfigured` when `.env`
    cannot be read, and `OSError` when the folder cannot be written.
    """
    if (state_dir / "up.lock").exists() and servers.is_locked(state_dir / "up.lock"):
        raise CannotStart(already_running(state_dir))
    stored = _read(state_dir / FILE_NAME)
    port = _resolve_port(stored)
    for name in ("PORT", *provider_settings.NAMES):
        if not os.environ.get(name, "").strip():
            # An empty variable would take precedence over the files.
            os.environ.pop(name, None)
    environment.read_env_file(environment.env_file())
    values = {
        "LOCAL_MODE": "1",
        "SECRET_KEY": stored.get("SECRET_KEY") or secrets.token_urlsafe(SECRET_BYTES),
        "PORT": stored.get("PORT") or str(port),
        **provider_settings.chosen(stored),
    }
    if values != stored:
        state_dir.mkdir(parents=True, exist_ok=True)
        _write(state_dir / FILE_NAME, values)


def resolve_port(state_dir: Path) -> int:
    """Return the port to use, now that the settings have read `.env` into the environment.

    Raises `CannotStart` for a bad port.
    """
    return _resolve_port(_read(state_dir / FILE_NAME))


def keep_port(state_dir: Path, port: int) -> None:
    """Store the port for later starts and for commands. Call it only when the port is free."""
    stored = _read(state_dir / FILE_NAME)
    if stored.get("PORT") != str(port):
        _write(state_dir / FILE_NAME, stored | {"PORT": str(port)})


def provider_port(state_dir: Path) -> int | None:
    """Return the port for the local payment provider, None when the settings in force name another provider."""
    return provider_settings.port_in_force(_read(state_dir / FILE_NAME))


def command(name: str) -> str:
    """Return a command of `manage.py` for the present system; it can be pasted into a shell in any folder."""
    words = [sys.executable, str(environment.BASE_DIR / "manage.py"), name]
    return " ".join([*_assignments("STATE_DIR", "ENV_FILE"), shlex.join(words)])


def make_run(*, port: int | None = None) -> str:
    """Return the command that starts the present system, on another port when one is given."""
    ports = [] if port is None else [f"PORT={port}"]
    return " ".join(["make run", *ports, *_assignments("STATE_DIR")])


def _assignments(*names: str) -> list[str]:
    """Return assignments of those variables that the environment has, quoted for a shell; their values are paths."""
    values = {name: os.environ.get(name, "").strip() for name in names}
    return [f"{name}={shlex.quote(str(Path(value).absolute()))}" for name, value in values.items() if value]


def already_running(state_dir: Path) -> str:
    """Return the sentence that says where the system of this folder runs."""
    port = _read(state_dir / FILE_NAME).get("PORT", str(DEFAULT_PORT))
    return f"A system already runs on http://127.0.0.1:{port} (state folder {state_dir})."


def _resolve_port(stored: dict[str, str]) -> int:
    port = os.environ.get("PORT", "").strip() or stored.get("PORT") or str(DEFAULT_PORT)
    if not (port.isascii() and port.isdigit() and len(port) <= MAX_DIGITS and 0 < int(port) < 2**16):
        raise CannotStart("PORT must be a whole number from 1 to 65535.")
    return int(port)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def _write(path: Path, values: dict[str, str]) -> None:
    """Replace the file as a whole, readable by its owner only."""
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    unfinished.replace(path)
