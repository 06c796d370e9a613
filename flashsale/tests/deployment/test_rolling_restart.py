"""Web servers behind nginx are replaced one after another while customers buy: no request is lost."""

import collections
import contextlib
import threading
from collections.abc import Iterator

import httpx
import pytest

from flashsale.tests.support.deployed import Deployment, Proxy, deployment, nginx
from flashsale.tests.support.processes import free_port, stop, wait_until

pytestmark = pytest.mark.django_db

MAKE = """
from catalog import products
print(products.add(name="rolled", price="29.99", currency="USD", stock=1_000_000).pk)
"""
VARIABLES = {"HOLDS_PER_MINUTE": "0", "SECURE_SSL_REDIRECT": "0", "WEB_WORKERS": "1", "DATABASE_POOL_MAX": "4"}
CUSTOMERS = 4


class Server:
    """One web server at its address; it can be stopped and started again."""

    def __init__(self, deployed: Deployment) -> None:
        self._deployed = deployed
        self.port = free_port()
        self.start()

    def start(self) -> None:
        """Start a new process at the same address."""
        own = {"WEB_HOST": "127.0.0.1", "PORT": str(self.port)}
        self._process = self._deployed.start("web", "-m", "flashsale.server", **own)

    def stop(self) -> None:
        """Stop it as Docker, systemd and Kubernetes do, and wait for its end."""
        stop(self._process)

    def answers(self) -> bool:
        """Say whether it serves."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/livez").status_code == 200
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def customers(proxy: Proxy, product_id: int) -> Iterator[collections.Counter]:
    """Place holds all the time, each client from an address of its own; count the statuses."""
    statuses: collections.Counter[int] = collections.Counter()
    is_over = threading.Event()

    def buy(address: str) -> None:
        with proxy.client(address) as client:
            while not is_over.is_set():
                answer = client.post("/api/v1/holds", json={"product_id": product_id, "quantity": 1})
                statuses[answer.status_code] += 1

    threads = [threading.Thread(target=buy, args=(f"127.0.1.{number + 1}",)) for number in range(CUSTOMERS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def sends_to(proxy: Proxy, server: Server) -> bool:
    """Say whether nginx has this server answer a request of now; lines about earlier requests may be logged late."""
    with proxy.client("127.0.2.1") as client:
        return proxy.logged(client.get("/livez"))["upstream"].endswith(f":{server.port}")


def test_no_request_is_lost_while_the_web_servers_are_replaced(django_db_blocker):
    # Both times are shorter than in production, and in the same order.
    variables = VARIABLES | {"WEB_DRAIN_SECONDS": "1"}
    changes = {"keepalive_timeout 2s;": "keepalive_timeout 500ms;", "burst=200 nodelay": "burst=100000 nodelay"}
    with contextlib.ExitStack() as stack:
        deployed = stack.enter_context(deployment(**variables))
        first, second = servers = [Server(deployed), Server(deployed)]
        for server in servers:
            stack.callback(server.stop)
        product_id = int(deployed.manage("shell", "-v", "0", "-c", MAKE).stdout)
        for server in servers:
            wait_until(server.answers, what="a web server answers")
        changes["zone web 256k;"] = f"zone web 256k; server 127.0.0.1:{second.port} fail_timeout=1s;"
        proxy = stack.enter_context(nginx(deployed.folder, web=first.port, pay=first.port, changes=changes))
        statuses = stack.enter_context(customers(proxy, product_id))
        for server in servers:
            wait_until(lambda server=server: sends_to(proxy, server), what="both serve")

        first.stop()
        first.start()
        # The next one stops when nginx has seen that this one is back.
        wait_until(lambda: sends_to(proxy, first), what="the first one is back")
        second.stop()
        served = statuses[201]
        wait_until(lambda: statuses[201] > served + CUSTOMERS, what="the first one serves alone")

    assert set(statuses) == {201}
