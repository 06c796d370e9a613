"""Granian with unlimited respawning of worker processes; takes Granian's own options."""

import time
from typing import Any

from granian import cli
from granian.server import Server

# A process that lived less than this is respawned with a delay: the next one may die as fast.
SHORT_LIFE_SECONDS = 5
RESPAWN_DELAY_SECONDS = 2
POLL_SECONDS = 0.1
# A process that exits with an error within this time after the start has a wrong configuration.
START_SECONDS = 60


class RespawningServer(Server):
    """Respawns a dead process every time; Granian itself ends when one dies twice within 5.5 seconds.

    A process that fails twice right after the start, because it cannot import the application, still ends the server.
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
            # Granian ends when it finds a process in this list a second time.
            self.respawned_wrks.clear()

    def _wait(self, seconds: float) -> None:
        """Wait, at most until the server is told to stop."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.interrupt_signal:
            time.sleep(POLL_SECONDS)


def main() -> None:
    """Run Granian's command line with this server."""
    cli.Server = RespawningServer
    cli.entrypoint()


if __name__ == "__main__":
    main()
