"""`python -m benchmarks.floods`: what floods do to a process's memory and to everybody else's latency.

`--against DIRECTORY` measures a checkout of another revision beside this one, turn by turn in one run: the same virtual
environment, PostgreSQL and Valkey, a web server of its own. Latencies are those of one client that polls meanwhile.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import psycopg

from benchmarks import mixed, wrk
from benchmarks.results import machine
from benchmarks.shop import PROJECT, Shop, free_port, open_shop, serving
from flashsale.local import servers

CLAIMANTS = 80
LOCKED_SECONDS = 10
UNSIGNED_CLIENTS = 200
CLIENTS = 64
PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Side:
    """One checkout, its running web server, and what the shop sells."""

    name: str
    shop: Shop
    server_pid: int
    product_id: int
    order_id: str

    def megabytes(self) -> int:
        """Return the resident memory of its largest worker process."""
        sizes = [_resident(pid) for pid in _children(self.server_pid)]
        return max(sizes, default=0) // 1024


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _resident(pid: int) -> int:
    """Return a process's resident memory in KiB; 0 when it is gone."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
    return 0


class Poller:
    """Asks for paths in turn, one after the other, until it is stopped; keeps how long each answer took."""

    def __init__(self, port: int, *paths: str) -> None:
        self.milliseconds: list[float] = []
        self.failed = 0
        self._port, self._paths = port, paths
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Poller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __str__(self) -> str:
        cuts = statistics.quantiles([*self.milliseconds, *self.milliseconds], n=100)
        failed = f", {self.failed} failed" if self.failed else ""
        return f"p50 {cuts[49]:.0f}, p99 {cuts[98]:.0f}, worst {max(self.milliseconds):.0f} ms{failed}"

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            for path in self._paths:
                started = time.perf_counter()
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                self.milliseconds.append(1000 * (time.perf_counter() - started))
                self.failed += answer.status != 200
            self._stop.wait(PAUSE_SECONDS)


def quiet(side: Side, seconds: float) -> str:
    """Poll orders while nothing else happens."""
    with Poller(side.shop.port, f"/api/v1/orders/{side.order_id}") as poller:
        time.sleep(seconds)
    return str(poller)


def schema(side: Side, seconds: float) -> str:
    """Ask for the schema over 64 connections."""
    before = side.megabytes()
    load = wrk.run(f"{side.shop.url}/api/v1/schema", clients=CLIENTS, seconds=seconds)
    return f"{load.per_second:.0f}/s, {before} -> {side.megabytes()} MiB"


def wrong_tokens(side: Side, seconds: float) -> str:
    """Send unknown API tokens."""
    with Poller(side.shop.port, f"/api/v1/orders/{side.order_id}") as poller:
        load = wrk.run(
            f"{side.shop.url}/api/v1/products/{side.product_id}", clients=CLIENTS, seconds=seconds,
            headers={"Authorization": f"Bearer abcdefgh.{'x' * 32}"},
        )  # fmt: skip
    return f"{poller}; {load.per_second:.0f} refused/s {load.statuses}"


def unsigned_webhooks(side: Side, seconds: float) -> str:
    """Send unsigned webhooks."""
    with Poller(side.shop.port, f"/api/v1/orders/{side.order_id}") as poller:
        load = wrk.run(
            f"{side.shop.url}/api/v1/payments/webhook", clients=UNSIGNED_CLIENTS, seconds=seconds, method="POST",
            body=json.dumps({"idempotency_key": "evt_1", "status": "success", "order_id": side.order_id}),
        )  # fmt: skip
    return f"{poller}; {load.per_second:.0f} refused/s {load.statuses}"


def locked_stock(side: Side, _seconds: float) -> str:
    """Let 80 claimants wait for one locked row."""
    body = json.dumps({"product_id": side.product_id, "quantity": 1})
    with _locked(side), Poller(side.shop.port, *_pages(side)) as poller:
        load = wrk.run(
            f"{side.shop.url}/api/v1/holds", clients=CLAIMANTS, seconds=LOCKED_SECONDS, method="POST", body=body
        )
    return f"{poller}; claimants {load.statuses}"


def _pages(side: Side) -> list[str]:
    return [f"/api/v1/products/{side.product_id}", f"/api/v1/orders/{side.order_id}"]


@contextlib.contextmanager
def _locked(side: Side) -> Iterator[None]:
    database = servers.database_settings(side.shop.state_dir)
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], user=database["USER"], dbname=database["NAME"]
    ) as session:
        session.execute("SELECT 1 FROM catalog_stock WHERE product_id = %s FOR UPDATE", [side.product_id])
        yield
        session.rollback()


def mixed_requests(side: Side, _seconds: float, *, requests: int) -> str:
    """Send every kind of request, refused ones too, and look at the memory ten times."""
    seen = [side.megabytes()]
    for _ in range(10):
        statuses = mixed.run(side.shop.port, requests=requests // 10, clients=CLIENTS, product_id=side.product_id)
        seen.append(side.megabytes())
    return f"MiB {' '.join(map(str, seen))}; {dict(sorted(statuses.items(), key=str))} in the last tenth"


@contextlib.contextmanager
def opened(name: str, checkout: Path, shop: Shop) -> Iterator[Side]:
    """Run a checkout's web server as it configures itself."""
    from catalog import products
    from checkout import holds, orders

    product_id = products.add(name=name, price=Decimal(10), currency="USD", stock=2_000_000_000).pk
    order = orders.place(hold_id=holds.place(product_id=product_id, quantity=1, ttl_seconds=600).pk)
    own = replace(shop, port=free_port())
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(collect, cwd=checkout, env=shop.environment, check=True)
    environment = {
        "WEB_HOST": "127.0.0.1", "PORT": str(own.port), "PROMETHEUS_MULTIPROC_DIR": str(shop.state_dir / name)
    }  # fmt: skip
    with serving(own, [sys.executable, "-m", "flashsale.server"], checkout=checkout, **environment) as pid:
        yield Side(name, own, pid, product_id, str(order.pk))


def main() -> None:
    """Measure and print one line for each flood, side and round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("floods", nargs="*")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--requests", type=int, default=100_000)
    asked = parser.parse_args()
    floods: dict[str, Callable[[Side, float], str]] = {
        "quiet": quiet, "locked": locked_stock, "tokens": wrong_tokens, "webhooks": unsigned_webhooks,
        "mixed": lambda side, seconds: mixed_requests(side, seconds, requests=asked.requests), "schema": schema,
    }  # fmt: skip
    checkouts = {"this": PROJECT} | ({"against": asked.against.resolve()} if asked.against else {})
    print(machine(), "\n\n| flood | side | round | what was seen |\n|---|---|---|---|", flush=True)
    with open_shop(free_port()) as shop, contextlib.ExitStack() as opened_sides:
        sides = [opened_sides.enter_context(opened(name, path, shop)) for name, path in checkouts.items()]
        for name, flood in floods.items():
            for number in range(1, (1 if name == "mixed" else asked.rounds) + 1):
                for side in sides if not asked.floods or name in asked.floods else ():
                    print(f"| {name} | {side.name} | {number} | {flood(side, asked.seconds)} |", flush=True)


if __name__ == "__main__":
    main()
