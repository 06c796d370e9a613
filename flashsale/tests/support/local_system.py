"""A local system of `manage.py up`, started as its users start it, on a state folder of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, free_port, processes_naming, wait_until

# The name of a folder that a shell reads otherwise unless it is quoted.
AWKWARD = 'it\'s a "$HOME" folder; ls'


def paste(command: str, *, folder: Path | str) -> subprocess.CompletedProcess:
    """Run a printed command in a new shell without the system's environment."""
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=WAIT_SECONDS, check=False,
    )  # fmt: skip


class LocalSystem:
    """A local system on a state folder of its own, and what it printed."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder / "state"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = folder / "output"
        chosen_by_others = {"LOCAL_MODE", "SECRET_KEY", "DATABASE_URL", "REDIS_URL"}
        self.environment = {name: value for name, value in os.environ.items() if name not in chosen_by_others} | {
            "STATE_DIR": str(self.state_dir),
            "PORT": str(self.port),
            "ENV_FILE": str(folder / "no.env"),
        }

    def up(self) -> subprocess.Popen:
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=PROJECT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def wait_open(self) -> None:
        wait_until(lambda: "Ctrl-C stops everything" in self.text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.text()

    def text(self) -> str:
        return self.output.read_text()

    def manage(self, *args: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(WAIT_SECONDS)

    def leftovers(self) -> list[int]:
        """Processes that were started for this system, its servers among them."""
        own = processes_naming(f"STATE_DIR={self.state_dir}", within="environ")
        return own + processes_naming(str(self.state_dir))
