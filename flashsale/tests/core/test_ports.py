"""A TCP port has one server, also one that has not begun to listen."""

import os
import socket
import subprocess
import sys

import pytest

from flashsale.core import ports
from flashsale.tests.support.processes import PROJECT, free_port

HOST = "127.0.0.1"


@pytest.mark.parametrize("is_shared", [False, True], ids=["listening", "listening with SO_REUSEPORT"])
def test_a_port_on_which_a_program_listens_is_refused(is_shared):
    with socket.create_server((HOST, 0), reuse_port=is_shared) as other:
        port = other.getsockname()[1]

        with pytest.raises(ports.PortTaken, match=rf"Port {port} of {HOST} cannot be used \(Address already in use\)"):
            ports.refuse_taken(HOST, port)


def test_a_port_that_another_program_claimed_is_refused_before_that_listens():
    port = free_port()
    with ports.claim(HOST, port):
        # The control: so far nothing listens.
        ports.refuse_taken(HOST, port)

        with pytest.raises(ports.PortTaken, match=rf"Port {port} of {HOST} cannot be used \(Address already in use\)"):
            ports.claim(HOST, port)

    ports.claim(HOST, port).close()


def test_a_refused_claim_keeps_nothing():
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ports.PortTaken):
            ports.claim(HOST, port)

    ports.claim(HOST, port).close()


def test_the_local_provider_refuses_a_taken_port_in_one_sentence(tmp_path):
    keys = {"STRIPE_API_KEY": "sk_test_1", "STRIPE_PUBLISHABLE_KEY": "pk_test_1", "STRIPE_WEBHOOK_SECRETS": "whsec_1"}
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        second = subprocess.run(
            [sys.executable, "-m", "flashsale.local_provider", str(port), "http://127.0.0.1:1"],
            cwd=PROJECT, env=os.environ | keys | {"STATE_DIR": str(tmp_path), "ENV_FILE": str(tmp_path / "env")},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert second.returncode == 1
    assert second.stderr.startswith(f"flashsale.local_provider: Port {port} of {HOST} cannot be used (Address already")
    assert len(second.stderr.splitlines()) == 1
