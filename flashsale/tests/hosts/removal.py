"""Removes the hosts of a test when it has ended, also when it was killed: runs beside it until its input ends.

Usage: removal.py PREFIX FOLDER. It stops all processes in the network namespaces whose names begin with PREFIX, and
removes these, the groups of processes with such names, and the folder. A script of its own: what it imports is in the
standard library.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

NAMESPACES = Path("/run/netns")
# Groups of processes with a share of the processor: one for each host that has a limit.
GROUPS = Path("/sys/fs/cgroup/cpu")
POLL_SECONDS = 0.02


def processes_in(*namespaces: str) -> list[int]:
    """Return the ids of the processes in these network namespaces, this one excepted; needs root."""
    wanted, found = {(NAMESPACES / one).stat().st_ino for one in namespaces}, []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and int(name) != os.getpid() and os.stat(f"/proc/{name}/ns/net").st_ino in wanted:
                found.append(int(name))
    return found


def kill_all(*namespaces: str) -> None:
    """Kill every process in these network namespaces; returns when none is left."""
    while left := processes_in(*namespaces):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def remove(prefix: str, folder: Path) -> None:
    """Remove everything that belongs to a test's hosts."""
    found = [path.name for path in NAMESPACES.glob(f"{prefix}*")]
    kill_all(*found)
    for namespace in found:
        subprocess.run(["ip", "netns", "del", namespace], check=False)
    for group in GROUPS.glob(f"{prefix}*"):
        group.rmdir()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    remove(sys.argv[1], Path(sys.argv[2]))
