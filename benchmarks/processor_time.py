"""Processor time that the processes of a shop have used: its web server, PostgreSQL and Valkey."""

from collections.abc import Iterator

import psutil

from benchmarks.shop import ShopUnderTest


def processes_of(shop: ShopUnderTest, server_pid: int) -> list[int]:
    """Return the ids of the first processes of the web server, of PostgreSQL and of Valkey."""
    folder = str(shop.state_dir)
    supervisors = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "flashsale.local.supervisor" in (process.info["cmdline"] or []) and folder in process.info["cmdline"]
    ]
    return [server_pid, *supervisors]


def used_seconds(pids: list[int]) -> float:
    """Return the processor time, in seconds, of these processes and of all their descendants, living or ended."""
    return sum(sum(process.cpu_times()[:4]) for pid in pids for process in _tree(psutil.Process(pid)))


def _tree(process: psutil.Process) -> Iterator[psutil.Process]:
    yield process
    yield from process.children(recursive=True)
