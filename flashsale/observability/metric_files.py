"""Metric files of the processes of one machine (see `flashsale.core.metrics`).

Each process writes files of its own. When a process is dead, its counters and histograms are added to one file for
all dead processes, so that totals never fall; its gauges are dropped.
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
_ADDITIVE_KINDS = frozenset({"counter", "histogram", "summary"})


class ProcessMetricsCollector(MultiProcessCollector):
    """Collector of the metrics of all processes, dead ones included."""

    def __init__(self, registry: CollectorRegistry, folder: str) -> None:
        super().__init__(registry, path=folder)
        self._folder = Path(folder)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics, after merging the files of dead processes."""
        with _exclusive_lock(self._folder):
            _merge_dead_processes(self._folder)
            return super().collect()


@contextlib.contextmanager
def _exclusive_lock(folder: Path) -> Iterator[None]:
    """Lock the folder: a collector that ran during a merge would count a process twice or not at all."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _merge_dead_processes(folder: Path) -> None:
    for file in folder.glob("*.db"):
        match = _FILE.fullmatch(file.name)
        if match is None or _is_alive(int(match["pid"])):
            continue
        if match["kind"] in _ADDITIVE_KINDS:
            _add(file, to=folder / f"{match['kind']}_gone.db")
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
