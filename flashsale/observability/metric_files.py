"""The files in which the processes of one machine count together (see `flashsale.core.metrics`).

Each process has files of its own. What a process counted stays true when it is gone, so that its counters and
histograms are added to one file for all that are gone; its gauges said how it was doing, and are dropped.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

_FILE = re.compile(r"(?P<kind>[a-z]+)(?:_[a-z]+)?_(?P<pid>[0-9]+)\.db")
_ADDED_UP = frozenset({"counter", "histogram", "summary"})


class ProcessFiles(MultiProcessCollector):
    """Collector: what all processes counted, those that are gone included."""

    def __init__(self, registry: CollectorRegistry, folder: str) -> None:
        super().__init__(registry, path=folder)
        self._folder = Path(folder)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; files of processes that are gone are folded into one beforehand."""
        with _alone(self._folder):
            _fold(self._folder)
            return super().collect()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other collectors out, so that none sees a process twice or not at all."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fold(folder: Path) -> None:
    for file in folder.glob("*.db"):
        found = _FILE.fullmatch(file.name)
        if found is None or _is_alive(int(found["pid"])):
            continue
        if found["kind"] in _ADDED_UP:
            _add(file, to=folder / f"{found['kind']}_gone.db")
        file.unlink()


def _add(file: Path, *, to: Path) -> None:
    total = MmapedDict(str(to))
    try:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(file)):
            total.write_value(key, total.read_value(key)[0] + value, timestamp)
    finally:
        total.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
