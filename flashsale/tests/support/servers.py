"""pytest plugin: embedded servers of this run's own, started before pytest-django reads the settings.

Named by `-p` in pyproject.toml. A developer's `.env` and running system are left alone. DATABASE_URL and REDIS_URL
name the servers to use instead, when they are set.
"""

import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from flashsale.local import servers
from flashsale.tests.support.processes import RUN

STATE = pytest.StashKey[tuple[Path, servers.Lease | None]]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Choose the environment and start the servers; `--help` and `--version` do without."""
    _restore_signals_for_children()
    state_dir = Path(tempfile.mkdtemp(prefix="flashsale-test-"))
    no_env_file = state_dir / "env"
    os.environ |= {
        "LOCAL_MODE": "1",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENV_FILE": str(no_env_file),
        "STATE_DIR": str(state_dir),
        RUN: str(state_dir),
    }
    asks = early_config.known_args_namespace
    is_served = os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")
    try:
        lease = None if is_served or asks.help or asks.version else servers.use(state_dir, fast=True)
    except KeyboardInterrupt:
        shutil.rmtree(state_dir, ignore_errors=True)
        raise
    except servers.EmbeddedError as error:
        raise pytest.UsageError(f"{error} (state folder {state_dir})") from error
    early_config.stash[STATE] = (state_dir, lease)


def _restore_signals_for_children() -> None:
    """Replace ignored signals by handlers that do nothing, which a program that is started does not inherit.

    A shell starts background jobs with SIGINT ignored, nohup with SIGHUP; tests send both to what they start.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers and forget their data."""
    if STATE in config.stash:
        state_dir, lease = config.stash[STATE]
        if lease:
            lease.close()
            servers.wait_until_stopped(state_dir)
        shutil.rmtree(state_dir)
