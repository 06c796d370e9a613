"""A master of Valkey, its replica and the three sentinels that watch them, as real processes."""

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis

from flashsale.local.supervisor import find_valkey
from flashsale.tests.support.processes import free_port, start, wait_until

MASTER, PASSWORD, SENTINEL_PASSWORD = "shop", "pass@word", "watch/word"
TIMEOUT_SECONDS = 60
SENTINEL = f"""
sentinel monitor {MASTER} 127.0.0.1 {{port}} 2
sentinel auth-pass {MASTER} {PASSWORD}
sentinel down-after-milliseconds {MASTER} 700
sentinel failover-timeout {MASTER} 4000
requirepass {SENTINEL_PASSWORD}
sentinel sentinel-pass {SENTINEL_PASSWORD}
"""
# How often sentinels ask and tell each other about the servers, in milliseconds. With their own 10 and 2 seconds, they
# make a former master a replica after 8 to 18 s.
PERIODS = {"info-period": 500, "publish-period": 250}
SERVER = f"""
requirepass {PASSWORD}
masterauth {PASSWORD}
save ""
repl-diskless-sync-delay 0
"""


class WatchedValkey:
    """Two servers of Valkey, one of them the master, and three sentinels."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[int, subprocess.Popen] = {}
        self.servers = [free_port(), free_port()]
        self.sentinels = [free_port(), free_port(), free_port()]

    def url(self, number: int) -> str:
        """Return the address of a database as the shop takes it."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://:pass%40word@{hosts}/{MASTER}/{number}?sentinel_password=watch%2Fword"

    def open(self) -> None:
        """Start all, and wait until a failover is possible."""
        first, second = self.servers
        self._start(first, SERVER)
        self._start(second, f"{SERVER}replicaof 127.0.0.1 {first}\n")
        for port in self.sentinels:
            self._start(port, SENTINEL.format(port=first), "--sentinel")
        for port in self.sentinels:
            wait_until(lambda port=port: self._is_hurried(port), what=f"the sentinel at {port} answers")
        for port in self.sentinels:
            wait_until(lambda port=port: self._is_ready(port), what=f"the sentinel at {port} knows all others")

    def close(self) -> None:
        """Kill all."""
        for port in list(self._processes):
            self.kill(port)

    def client(self, port: int, *, db: int = 0) -> redis.Redis:
        """Return a client of one server."""
        return redis.Redis(port=port, db=db, password=PASSWORD, decode_responses=True, socket_timeout=TIMEOUT_SECONDS)

    def sentinel(self, port: int) -> redis.Redis:
        """Return a client of one sentinel."""
        return redis.Redis(port=port, password=SENTINEL_PASSWORD, socket_timeout=TIMEOUT_SECONDS)

    def master(self) -> int:
        """Return the port of the master that the sentinels name."""
        with self.sentinel(self.sentinels[0]) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(MASTER)[1])

    def is_replica(self, port: int) -> bool:
        """Say whether a server is the other one's replica, and has all that it has."""
        with contextlib.suppress(redis.ConnectionError), self.client(port) as client:
            state = client.info("replication")
            return state["role"] == "slave" and state["master_link_status"] == "up"
        return False

    def switch_over(self) -> None:
        """Let the replica become the master, and the master its replica."""
        before = self.master()

        def is_begun() -> bool:
            # Refused until the sentinel has heard from the replica.
            with contextlib.suppress(redis.ResponseError), self.sentinel(self.sentinels[0]) as sentinel:
                sentinel.sentinel_failover(MASTER)
                return True
            return False

        wait_until(is_begun, what="the sentinel begins")
        self.wait_for_another_master(before)
        wait_until(lambda: self.is_replica(before), what="the former master is a replica")

    def wait_for_another_master(self, before: int) -> None:
        """Wait until the sentinels name another master, and it is one."""
        wait_until(lambda: self.master() != before, what="the sentinels name another master")

    def signal(self, port: int, number: signal.Signals) -> None:
        """Send a signal to the process that listens on a port."""
        os.kill(self._processes[port].pid, number)

    def kill(self, port: int) -> None:
        """Kill the process that listens on a port."""
        process = self._processes.pop(port)
        process.kill()
        process.wait()

    def restart_sentinel(self, port: int) -> None:
        """Start a sentinel that was killed, with what it knew."""
        self._start(port, None, "--sentinel")
        wait_until(lambda: self._is_hurried(port), what=f"the sentinel at {port} answers")
        wait_until(lambda: self._is_ready(port), what=f"the sentinel at {port} is back")

    def _start(self, port: int, text: str | None, *options: str) -> None:
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        configuration = folder / "valkey.conf"
        if text is not None:
            configuration.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{text}")
        with (folder / "log").open("a") as log:
            argv = [find_valkey(), str(configuration), *options]
            self._processes[port] = start(*argv, environment={}, stdout=log, stderr=log)

    def _is_hurried(self, port: int) -> bool:
        """Let a sentinel be quick; says whether it answers."""
        with contextlib.suppress(redis.ConnectionError), self.sentinel(port) as sentinel:
            sentinel.execute_command("SENTINEL", "DEBUG", *itertools.chain(*PERIODS.items()))
            return True
        return False

    def _is_ready(self, port: int) -> bool:
        with contextlib.suppress(redis.ConnectionError), self.sentinel(port) as sentinel:
            state = sentinel.sentinel_master(MASTER)
            return state["num-slaves"] == 1 and state["num-other-sentinels"] == 2 and not state["is_sdown"]
        return False


@contextlib.contextmanager
def watched_valkey(folder: Path) -> Iterator[WatchedValkey]:
    """Run a master, a replica and three sentinels, with their files in a folder."""
    valkey = WatchedValkey(folder)
    try:
        valkey.open()
        yield valkey
    finally:
        valkey.close()
