"""Writes to PostgreSQL without a pause, to know when which server took them, and whether all are still there."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from flashsale.tests.hosts.network import Host

PAUSE_SECONDS = 0.05
# A write that gets no answer is given up after this.
SILENT_MS = 3_000
TABLE = "CREATE TABLE IF NOT EXISTS written (probe text, number int, PRIMARY KEY (probe, number))"
WRITE = "INSERT INTO written VALUES (%s, %s) RETURNING host(inet_server_addr())"


@dataclass(frozen=True)
class Written:
    """An acknowledged write: its number, the address of the server, and when its answer came (monotonic seconds)."""

    number: int
    server: str
    at: float


class Probe:
    """Writes through an address, each time on a connection of its own."""

    def __init__(self, name: str, url: str, host: Host) -> None:
        self._name, self._url, self._host = name, url, host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write_on)
        self.written: list[Written] = []

    def by(self, server: str, *, since: float = 0.0) -> list[Written]:
        """The writes that a server has acknowledged."""
        return [one for one in self.written if one.server == server and one.at >= since]

    def _write_on(self) -> None:
        number = 0
        with self._host.entered():
            while not self._stop.wait(PAUSE_SECONDS):
                number += 1
                self._write(number)

    def _write(self, number: int) -> None:
        try:
            with psycopg.connect(
                self._url, autocommit=True, connect_timeout=2, tcp_user_timeout=SILENT_MS,
                keepalives_idle=1, keepalives_interval=1, keepalives_count=2,
            ) as server:  # fmt: skip
                [[address]] = server.execute(WRITE, [self._name, number]).fetchall()
            self.written.append(Written(number, address, time.monotonic()))
        except psycopg.Error:
            return

    def lost(self, url: str) -> list[str]:
        """A sentence for each acknowledged write that the database at `url` does not have."""
        with psycopg.connect(url, connect_timeout=10) as server:
            stored = {
                number for (number,) in server.execute("SELECT number FROM written WHERE probe = %s", [self._name])
            }
        return [f"write {one.number} of {one.server} is lost" for one in self.written if one.number not in stored]

    @contextmanager
    def writing(self) -> Iterator["Probe"]:
        """Write within the context."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()


def create_table(url: str) -> None:
    """Create the table of all probes."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(TABLE)
