"""Hosts: Linux network namespaces, each with an address, joined by a bridge in a namespace of its own.

Nothing of it is seen by the machine's own network, so several tests may have hosts at the same time.
Source: ip-netns(8), setns(2).
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from flashsale.local.child_process import child_setup
from flashsale.tests.hosts import removal
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, inherited

CLONE_NEWNET, CLONE_NEWUTS = 0x40000000, 0x04000000
SUBNET = "10.99.0"
PERIOD_MICROSECONDS = 50_000
OWN = Path("/proc/thread-self/ns/net")
# PostgreSQL and PgBouncer refuse to run as root.
ACCOUNT = "nobody"

_libc = ctypes.CDLL(None, use_errno=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host:
    """A host of a network: its programs, its folder, and its cable."""

    def __init__(self, network: "Network", name: str, number: int) -> None:
        self.name, self.address = name, f"{SUBNET}.{number}"
        self.namespace = f"{network.prefix}{name}"
        self.folder = network.folder / name
        self.folder.mkdir()
        shutil.chown(self.folder, ACCOUNT)
        self._switch, self._port = network.switch, f"to-{name}"
        self._programs: list[subprocess.Popen] = []
        _ip("netns", "add", self.namespace)
        _ip("-n", self._switch, "link", "add", self._port, "type", "veth", "peer", "eth0", "netns", self.namespace)
        _ip("-n", self._switch, "link", "set", self._port, "master", "bridge", "up")
        _ip("-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", self.namespace, "link", "set", device, "up")

    def start(self, *argv: str, as_nobody: bool = False, **environment: str) -> subprocess.Popen:
        """Start a program on this host; it writes to the host's log, and is killed when this process dies."""
        account = pwd.getpwnam(ACCOUNT) if as_nobody else None
        with self.log.open("ab") as log, (removal.NAMESPACES / self.namespace).open() as namespace:
            program = subprocess.Popen(
                argv,
                cwd=PROJECT,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)} | environment | inherited(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._entering(namespace.fileno(), child_setup(signal.SIGKILL, account=account)),  # noqa: PLW1509
            )
        self._programs.append(program)
        return program

    def _entering(self, namespace: int, then: Callable[[], None]) -> Callable[[], None]:
        """Return what a program's process does before it starts: it enters the network, and has the host's name."""
        name = self.name.encode()

        def set_up() -> None:
            _enter(namespace)
            _libc.unshare(CLONE_NEWUTS)
            _libc.sethostname(name, len(name))
            then()

        return set_up

    def run(self, *argv: str, **environment: str) -> None:
        """Run a program on this host until it ends, which must be with success."""
        program = self.start(*argv, **environment)
        self._programs.remove(program)
        assert program.wait(WAIT_SECONDS) == 0, self.log.read_text()[-3000:]

    @property
    def log(self) -> Path:
        """The file to which its programs write."""
        return self.folder / "log"

    def ended(self) -> list[str]:
        """A sentence for each of its programs that ended unasked."""
        return [
            f"{program.args[0]} on {self.name} ended with {program.returncode}: {self.log.read_text()[-2000:]}"
            for program in self._programs
            if program.poll() is not None
        ]

    def kill(self) -> None:
        """Kill all its processes at once; the kernel of a real host would end their connections as this one does."""
        removal.kill_all(self.namespace)
        self.forget()

    def forget(self) -> None:
        """Read the exit codes of its programs, which were killed."""
        programs, self._programs = self._programs, []
        for program in programs:
            program.wait(WAIT_SECONDS)

    def cut(self) -> None:
        """Pull its cable: what it sends and what is sent to it is lost, silently."""
        _ip("-n", self._switch, "link", "set", self._port, "down")

    def mend(self) -> None:
        """Put its cable back."""
        _ip("-n", self._switch, "link", "set", self._port, "up")

    def limit(self, cores: float) -> Path:
        """Let the processes that run now, and those that they start, use so much of the processor; returns their group.

        Source: https://docs.kernel.org/scheduler/sched-bwc.html
        """
        group = removal.GROUPS / self.namespace
        group.mkdir(exist_ok=True)
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_MICROSECONDS))
        (group / "cpu.cfs_quota_us").write_text(str(int(cores * PERIOD_MICROSECONDS)))
        for pid in removal.processes_in(self.namespace):
            (group / "cgroup.procs").write_text(str(pid))
        return group

    def lose(self, other: "Host") -> None:
        """Lose what this host sends to another one, silently."""
        _ip("-n", self.namespace, "route", "add", "blackhole", f"{other.address}/32")

    def find(self, other: "Host") -> None:
        """Send to the other host again."""
        _ip("-n", self.namespace, "route", "del", "blackhole", f"{other.address}/32")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Within the context the sockets of this thread, and its new programs, are this host's."""
        with OWN.open() as own, (removal.NAMESPACES / self.namespace).open() as namespace:
            _enter(namespace.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())


class Network:
    """Hosts that can reach one another; removed by `close`, and soon after this process has died."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hosts-"))
        self.folder.chmod(0o711)
        self.prefix = f"{self.folder.name}-"
        self.switch = f"{self.prefix}switch"
        self._remover = subprocess.Popen(
            [sys.executable, removal.__file__, self.prefix, str(self.folder)],
            stdin=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
            start_new_session=True,
        )
        _ip("netns", "add", self.switch)
        _ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self.switch, "link", "set", "bridge", "up")
        self.hosts: dict[str, Host] = {}

    def add(self, name: str) -> Host:
        """Add a host."""
        self.hosts[name] = Host(self, name, 10 + len(self.hosts))
        return self.hosts[name]

    def close(self) -> None:
        """Kill everything that runs on the hosts, and remove them."""
        self._remover.stdin.close()
        self._remover.wait(WAIT_SECONDS)
        for host in self.hosts.values():
            host.forget()


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
