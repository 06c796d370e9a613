"""`python -m benchmarks.floods`: how floods affect a worker's memory and the latency of other requests.

`--against REVISION` measures another revision beside this one, in alternating rounds of one run. Latencies are those of
one client that polls during the flood.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import mixed, wrk
from benchmarks.checkouts import THIS, Checkout, checked_out, find_commit
from benchmarks.loads import AMPLE_STOCK, CLIENTS
from benchmarks.results import machine
from benchmarks.shop import ShopUnderTest, open_shop, serving
from flashsale.local import servers

CLAIMANTS = 80
LOCKED_SECONDS = 10
UNSIGNED_CLIENTS = 200
PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Side:
    """One revision's running shop, and a product and an order of it."""

    shop: ShopUnderTest
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
    """Requests paths in turn until it is stopped; records the latency of each answer."""

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
    """Poll an order without any other load."""
    with Poller(side.shop.port, f"/api/v1/orders/{side.order_id}") as poller:
        time.sleep(seconds)
    return str(poller)


def schema(side: Side, seconds: float) -> str:
    """Request the OpenAPI document over 64 connections."""
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
    """Place holds from 80 clients on a product whose stock row is locked."""
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
    """Send every kind of request, refused ones too; report the memory before, and after each tenth of them."""
    megabytes = [side.megabytes()]
    for _ in range(10):
        statuses = mixed.run(side.shop.port, requests=requests // 10, clients=CLIENTS, product_id=side.product_id)
        megabytes.append(side.megabytes())
    return f"MiB {' '.join(map(str, megabytes))}; {dict(sorted(statuses.items(), key=str))} in the last tenth"


@contextlib.contextmanager
def running(checkout: Checkout) -> Iterator[Side]:
    """Run a revision's shop with a product and an order."""
    with open_shop(checkout) as shop:
        shop.manage("collectstatic", "--noinput", "--verbosity", "0")
        product_id = shop.add_product(stock=AMPLE_STOCK)
        with serving(shop) as pid:
            hold = _create(shop, "/api/v1/holds", product_id=product_id, quantity=1, ttl=600)
            order = _create(shop, "/api/v1/orders", hold_id=hold["hold_id"])
            yield Side(shop, pid, product_id, order["order_id"])


def _create(shop: ShopUnderTest, path: str, **body: object) -> dict[str, str]:
    request = urllib.request.Request(shop.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def main() -> None:
    """Measure and print one line for each flood, side and round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("floods", nargs="*")
    parser.add_argument("--against", metavar="REVISION")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    floods: dict[str, Callable[[Side, float], str]] = {
        "quiet": quiet, "locked": locked_stock, "tokens": wrong_tokens, "webhooks": unsigned_webhooks,
        "mixed": lambda side, seconds: mixed_requests(side, seconds, requests=options.requests), "schema": schema,
    }  # fmt: skip
    if unknown := set(options.floods) - set(floods):
        parser.error(f"no flood is called {', '.join(unknown)}; there are {', '.join(floods)}")
    print(machine(), "\n\n| flood | revision | round | what was measured |\n|---|---|---|---|", flush=True)
    with contextlib.ExitStack() as stack:
        checkouts = [THIS]
        if options.against is not None:
            checkouts.append(stack.enter_context(checked_out(find_commit(options.against))))
        sides = [stack.enter_context(running(checkout)) for checkout in checkouts]
        for name in options.floods or floods:
            for number in range(1, (1 if name == "mixed" else options.rounds) + 1):
                for side in sides:
                    measured = floods[name](side, options.seconds)
                    print(f"| {name} | {side.shop.checkout.name} | {number} | {measured} |", flush=True)


if __name__ == "__main__":
    main()
