"""Granian that goes on replacing worker processes that were killed; takes Granian's own options."""

import time
from typing import Any

from granian import cli
from granian.server import Server

# A process that lived less than this is not replaced at once: something kills it again and again.
SHORT_LIFE_SECONDS = 5
RESPAWN_DELAY_SECONDS = 2
POLL_SECONDS = 0.1
# An error that ends a process by itself so soon after the start is one of the configuration, and stays.
START_SECONDS = 60


class LastingServer(Server):
    """Replaces a killed process as often as it takes, where Granian ends when one dies twice within 5.5 seconds.

    A process that cannot even import the application soon after the start still ends the server at its second try.
    """

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        self._started_at = time.monotonic()
        super().startup(spawn_target, target_loader)

    def _respawn_workers(self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        failed = [self.wrks[index] for index in workers if not self.wrks[index].is_alive()]
        now = time.monotonic()
        if any(now - worker.birth < SHORT_LIFE_SECONDS for worker in failed):
            self._wait(RESPAWN_DELAY_SECONDS)
        if self.interrupt_signal:
            return
        super()._respawn_workers(workers, spawn_target, target_loader, delay)
        is_starting = now - self._started_at < START_SECONDS
        if not (is_starting and any(worker.inner.exitcode > 0 for worker in failed)):
            # Granian counts these, and ends when it finds one twice.
            self.respawned_wrks.clear()

    def _wait(self, seconds: float) -> None:
        """Wait unless the server is told to stop."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.interrupt_signal:
            time.sleep(POLL_SECONDS)


def main() -> None:
    """Run Granian's command line with this server."""
    cli.Server = LastingServer
    cli.entrypoint()


if __name__ == "__main__":
    main()
