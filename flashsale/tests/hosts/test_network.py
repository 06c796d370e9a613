"""Hosts reach one another, can be cut off, and leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from flashsale.tests.hosts import removal
from flashsale.tests.hosts.network import Network
from flashsale.tests.hosts.tools import require
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, processes_naming, wait_until

# In the command line of a program that leaves the session, and the process, in which it was started.
MARK = f"{os.getpid()}.25"
CRASHES = f"""
from flashsale.tests.hosts.network import Network
network = Network()
network.add("one").start("setsid", "sleep", "100{MARK}")
print(network.prefix, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def tools():
    require()


def test_hosts_reach_one_another_until_one_is_cut_off():
    network = Network()
    try:
        one, two = network.add("one"), network.add("two")
        with two.entered():
            listener = socket.create_server((two.address, 80))
        with listener, one.entered(), socket.create_connection((two.address, 80), timeout=WAIT_SECONDS) as there:
            here = listener.accept()[0]
            with here:
                two.cut()
                there.sendall(b"lost until then")
                here.setblocking(False)
                with pytest.raises(BlockingIOError):
                    here.recv(16)
                two.mend()
                here.setblocking(True)
                assert here.recv(16) == b"lost until then"
    finally:
        network.close()

    assert list(removal.NAMESPACES.glob(f"{network.prefix}*")) == []
    assert not network.folder.exists()


def test_the_hosts_of_a_killed_test_are_removed():
    with subprocess.Popen(
        [sys.executable, "-c", CRASHES], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as test:
        prefix = test.stdout.readline().strip()
        test.send_signal(signal.SIGKILL)

    wait_until(lambda: not list(removal.NAMESPACES.glob(f"{prefix}*")), what="the hosts are removed")
    wait_until(lambda: not processes_naming(MARK), what="their programs have ended")
