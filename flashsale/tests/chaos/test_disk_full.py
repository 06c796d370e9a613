"""PostgreSQL's disk fills up during a sale, and has free space again later."""

import itertools
import os
import subprocess
import sys
import uuid

import httpx
import pytest

from flashsale import server
from flashsale.local import servers
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, free_port, start, stop, wait_until

DISK = "size=230m"
# As many holds as there are at most before the tables have to grow.
MAX_HOLDS = 3000
REFUSALS = 20


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    for parent in (folder, *list(folder.parents)[:4]):
        parent.chmod(parent.stat().st_mode | 0o011)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def shop(small_disk):
    """A shop whose database is on the small disk; yields its folder, its URL and a function that runs its commands."""
    lease = servers.use(small_disk)
    port = free_port()
    environment = os.environ | {
        "LOCAL_MODE": "1", "STATE_DIR": str(small_disk), "DATABASE_URL": "", "REDIS_URL": "", "LOG_LEVEL": "CRITICAL",
    }  # fmt: skip

    def manage(*args: str) -> str:
        argv = [sys.executable, "manage.py", *args]
        return subprocess.run(argv, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout

    manage("migrate", "--verbosity", "0")
    web = start(*server.argv(host="127.0.0.1", port=port, workers=1, requests=4), environment=environment)
    url = f"http://127.0.0.1:{port}/api/v1"
    try:
        wait_until(lambda: is_open(url), what="the shop answers")
        yield small_disk, url, manage
    finally:
        stop(web)
        lease.close()
        servers.wait_until_stopped(small_disk)


def is_open(url: str) -> bool:
    """Say whether the shop answers."""
    try:
        return httpx.get(f"{url}/products", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_with_a_full_disk_requests_get_busy_and_nothing_is_lost(shop):
    folder, url, manage = shop
    product_id = int(
        manage("add_product", "--name", "Widget", "--price", "1", "--currency", "USD", "--stock", "100000")
    )
    granted = []

    def hold(client: httpx.Client) -> httpx.Response:
        body = {"product_id": product_id, "quantity": 1, "ttl": 600}
        response = client.post("/holds", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
        if response.status_code == 201:
            granted.append(response.json()["hold_id"])
        return response

    with httpx.Client(base_url=url, timeout=WAIT_SECONDS) as client:
        assert hold(client).status_code == 201
        ballast = folder / "ballast"
        fill(ballast)
        answers = (hold(client) for _ in range(MAX_HOLDS))
        refusals = list(itertools.islice((answer for answer in answers if answer.status_code != 201), REFUSALS))
        ballast.unlink()
        wait_until(lambda: hold(client).status_code == 201, what="it sells again")
        kept = [client.get(f"/holds/{hold_id}").status_code for hold_id in granted]

    assert refusals, "the disk was never full"
    assert {(answer.status_code, answer.json()["code"]) for answer in refusals} <= {
        (503, "busy"), (503, "outcome_unknown"),
    }  # fmt: skip
    assert set(kept) == {200}
    assert "The books are right" in manage("audit_stock")


def fill(ballast) -> None:
    """Fill the disk."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
