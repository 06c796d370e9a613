"""The examples in docs/api.md, run as they stand against a shop whose answers get lost."""

import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

# For each thing that is made: the first answer is lost, the second try is refused, the third gets through.
LOST, REFUSED, TOLD = range(3)


class LossyShop(ThreadingHTTPServer):
    """A proxy before the shop that loses answers, and a provider that pays each order at once."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.shop = url
        self.seen: dict[str, list[str]] = {"/api/v1/holds": [], "/api/v1/orders": []}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: LossyShop

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        keys = self.server.seen[self.path]
        keys.append(self.headers["Idempotency-Key"])
        turn = len(keys) - 1
        if turn == REFUSED:
            self.send_response(503)
            self.send_header("Retry-After", "1")
            self.end_headers()
            return
        self._pass_on(body, is_lost=turn == LOST)

    def _pass_on(self, body: bytes, *, is_lost: bool = False) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        answer = httpx.request(self.command, self.server.shop + self.path, content=body, headers=headers)
        if is_lost:
            self.close_connection = True
            return
        if self.path == "/api/v1/orders":
            self._pay(answer.json()["order_id"])
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def _pay(self, order_id: str) -> None:
        event = {"idempotency_key": f"evt_{order_id}", "status": "success", "order_id": order_id, "payment_id": "pay_1"}
        httpx.post(f"{self.server.shop}/api/v1/payments/webhook", json=event).raise_for_status()

    def log_message(self, *_args) -> None:
        """Quiet."""


@pytest.fixture
def lossy(live_server):
    server = LossyShop(live_server.url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def example(language: str) -> str:
    [code] = re.findall(rf"^```{language}\n(.*?)^```$", (PROJECT / "docs" / "api.md").read_text(), re.M | re.S)
    return code


def run_example(language: str, program: str, flag: str, *, shop_url: str) -> subprocess.CompletedProcess:
    if language == "bash":
        tool("curl")
    return subprocess.run(
        [tool(program), flag, example(language)],
        env={"PATH": os.environ["PATH"], "SHOP_URL": shop_url},
        text=True,
        capture_output=True,
        check=False,
        timeout=WAIT_SECONDS,
    )


LANGUAGES = pytest.mark.parametrize(
    ("language", "program", "flag"),
    [("python", sys.executable, "-c"), ("javascript", "node", "-e"), ("bash", "bash", "-c")],
)


@LANGUAGES
def test_an_example_buys_once_although_answers_get_lost(lossy, language, program, flag):
    ProductFactory(stock=10)

    run = run_example(language, program, flag, shop_url=lossy.url)

    assert run.returncode == 0, run.stderr
    order = Order.objects.get()
    assert f"To pay: 59.98 USD for order {order.pk}" in run.stdout
    assert f"manage.py send_webhook --order-id {order.pk}" in run.stdout
    assert "The order is paid" in run.stdout
    for keys in lossy.seen.values():
        assert len(keys) == TOLD + 1
        assert len(set(keys)) == 1
    assert (Hold.objects.count(), Order.objects.count(), Stock.objects.get().sold) == (1, 1, 2)


@LANGUAGES
def test_an_example_stops_when_nothing_is_on_sale(live_server, language, program, flag):
    ProductFactory(stock=0)

    run = run_example(language, program, flag, shop_url=live_server.url)

    assert run.returncode != 0
    assert "Nothing is on sale." in run.stderr
    assert Hold.objects.count() == 0


@LANGUAGES
def test_an_example_stops_at_the_first_refusal(live_server, language, program, flag):
    ProductFactory(stock=1)

    run = run_example(language, program, flag, shop_url=live_server.url)

    assert run.returncode != 0
    assert "insufficient_stock" in run.stderr
    assert Order.objects.count() == 0


def test_the_quotas_in_the_text_are_the_defaults():
    text = (PROJECT / "docs" / "api.md").read_text()
    given = dict(re.findall(r"^([A-Z_]+_PER_MINUTE)=(\d+)$", (PROJECT / ".env.example").read_text(), re.M))

    for scope in ("holds", "changes", "reads"):
        quotas = [f"{int(given[f'{prefix}{scope.upper()}_PER_MINUTE']):,}" for prefix in ("", "TOKEN_")]
        assert re.search(rf"^\| `{scope}` \|.*\| {quotas[0]} \| {quotas[1]} \|$", text, re.M)
