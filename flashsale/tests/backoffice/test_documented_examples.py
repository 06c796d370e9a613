"""The examples in docs/backend.md, run as they stand against a shop that delivers and answers for real."""

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command

from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory
from flashsale.core import webhook_signatures
from flashsale.core.rest import scopes
from flashsale.core.submissions.keyed_requests import RETENTION_DAYS
from flashsale.outbox import feed, numbering
from flashsale.outbox.deliveries import sending
from flashsale.outbox.deliveries.again import MAX_REPLAYED
from flashsale.outbox.deliveries.schedule import JITTER, WAITS_SECONDS
from flashsale.outbox.endpoints import MAX_ENDPOINTS
from flashsale.outbox.endpoints.registering import ROTATION_HOURS
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import Delivery, Endpoint, Event, Numbering
from flashsale.outbox.retention import EVENTS_KEPT_DAYS
from flashsale.tests.support import documented
from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, free_port, start, stop, wait_until

DOCUMENT = "backend.md"
URL = "https://erp.example.com/hooks"


@dataclass
class BackEnd:
    """A folder with the documented programs, and a token of the documented command."""

    folder: Path
    environment: dict[str, str]
    functions: str

    def shell(self, *mentions: str, url: str = URL, **environment: str) -> str:
        """Run the documented command that mentions all this; return what it prints."""
        [command] = [
            line
            for block in documented.blocks(DOCUMENT, "sh")[1:]
            for line in self._commands(block)
            if all(mention in line for mention in mentions)
        ]
        return documented.run_shell(
            command.replace(URL, url),
            functions=self.functions, environment=self.environment | environment, cwd=self.folder,
        )  # fmt: skip

    @staticmethod
    def _commands(block: str) -> list[str]:
        return [block] if "version=" in block else block.splitlines()

    def run(self, name: str) -> None:
        """Run a documented program to its end."""
        done = subprocess.run(
            [sys.executable, name], cwd=self.folder, env=os.environ | self.environment,
            text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def rows(self, query: str) -> list[tuple]:
        with closing(sqlite3.connect(self.folder / "fulfilment.db")) as database:
            return database.execute(query).fetchall()


@pytest.fixture
def product(transactional_db):
    return ProductFactory(stock=100)


@pytest.fixture
def place(product):
    """Returns a function that places an order."""
    return lambda: orders.place(hold_id=HoldFactory(product=product).pk)


@pytest.fixture
def back_end(live_server, tmp_path) -> BackEnd:
    documented.write_files(DOCUMENT, ["python", "javascript"], tmp_path)
    _, make_token, *functions = documented.blocks(DOCUMENT, "sh")[0].splitlines()
    command = re.fullmatch(r"export SHOP_TOKEN=\$\(\S+ manage\.py (.*)\)", make_token)[1]
    printed = StringIO()
    call_command(*shlex.split(command), stdout=printed)
    environment = {"SHOP_URL": live_server.url, "SHOP_TOKEN": printed.getvalue().strip()}
    return BackEnd(tmp_path, environment, "\n".join(functions))


def statuses(back_end: BackEnd) -> dict[str, str]:
    return dict(back_end.rows("SELECT order_id, status FROM orders"))


def python_receiver(back_end: BackEnd) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "receiver.py"], {"PYTHONPATH": ""}


def javascript_receiver(back_end: BackEnd) -> tuple[list[str], dict[str, str]]:
    return [tool("node"), "receiver.js"], {"NODE_PATH": documented.npm_packages("standardwebhooks")}


def python_inbox(back_end: BackEnd) -> list[str]:
    return [body for (body,) in back_end.rows("SELECT body FROM inbox")]


def javascript_inbox(back_end: BackEnd) -> list[str]:
    assert list((back_end.folder / "inbox").glob("*.part")) == []
    return [path.read_text() for path in (back_end.folder / "inbox").iterdir()]


@pytest.mark.parametrize(
    ("receiver", "inbox"),
    [(python_receiver, python_inbox), (javascript_receiver, javascript_inbox)],
    ids=["Python", "JavaScript"],
)
def test_a_receiver_takes_what_the_shop_sends_once_and_nothing_else(back_end, place, receiver, inbox):
    arguments, environment = receiver(back_end)
    url = f"http://127.0.0.1:{(port := free_port())}/hooks"
    made = json.loads(back_end.shell("webhook-endpoints", "url", url=url))
    secrets = {"WEBHOOK_SECRET": made["secret"], "PORT": str(port)}
    program = start(*arguments, environment=os.environ | environment | secrets, cwd=back_end.folder)
    try:
        wait_until(lambda: answers(url), what="the receiver listens")
        order = place()
        sending.run()
        body = Event.objects.get(type="order.placed").body
        assert inbox(back_end) == [body]

        # Again, with both secrets, of which the receiver has the old one.
        back_end.shell("/rotate-secret", ENDPOINT_ID=made["id"])
        back_end.shell("/replay", ENDPOINT_ID=made["id"])
        sending.run()
        assert inbox(back_end) == [body]
        assert Delivery.objects.get().attempts[-1]["status"] == 204
        assert len(Delivery.objects.get().attempts) == 2

        assert post_tampered(url, secret=made["secret"], body=body).status_code == 400
        assert httpx.post(url, content=body).status_code == 400
        assert inbox(back_end) == [body]
    finally:
        stop(program)
    assert json.loads(body)["data"]["order_id"] == str(order.pk)


def answers(url: str) -> bool:
    try:
        return httpx.post(url, content=b"{}").status_code == 400
    except httpx.TransportError:
        return False


def post_tampered(url: str, *, secret: str, body: str) -> httpx.Response:
    """Send a signed message of which one character was changed on its way."""
    key = webhook_signatures.key_of(secret)
    headers = webhook_signatures.signed_headers(key, message_id=json.loads(body)["id"], body=body.encode())
    return httpx.post(url, content=body.replace("placed", "placeD"), headers=headers)


def test_the_worker_keeps_the_newest_state_in_whatever_order_events_come(back_end, place):
    order = place()
    orders.cancel(order.pk)
    back_end.run("worker.py")
    take(back_end, '{"id": "evt_1", "type": "order.paid", "sequence": 9, "data": {}}')
    bodies = feed.read(limit=9, types=["order.placed", "order.cancelled"]).bodies
    for body in reversed(bodies):
        take(back_end, body)
        back_end.run("worker.py")

    assert statuses(back_end) == {str(order.pk): "cancelled"}
    assert back_end.rows("SELECT is_done FROM inbox") == [(0,), (1,), (1,)]


def take(back_end: BackEnd, body: str) -> None:
    """Store an event in the inbox, as the receiver does."""
    with closing(sqlite3.connect(back_end.folder / "fulfilment.db")) as database, database:
        database.execute("INSERT INTO inbox (id, body) VALUES (?, ?)", (json.loads(body)["id"], body))


def test_the_feed_is_read_from_the_cursor_that_is_stored_with_the_work(back_end, place):
    first = place()
    back_end.run("feed.py")
    assert statuses(back_end) == {str(first.pk): "pending_payment"}
    [(cursor,)] = back_end.rows("SELECT next FROM cursor")

    back_end.shell("/cancel", ORDER_ID=str(first.pk))
    second = place()
    back_end.run("feed.py")

    assert statuses(back_end) == {str(first.pk): "cancelled", str(second.pk): "pending_payment"}
    assert back_end.rows("SELECT next FROM cursor") > [(cursor,)]


@pytest.mark.parametrize("loss", ["purged", "another database", "promotion"])
def test_a_reader_that_missed_events_reads_all_orders_again(back_end, place, loss):
    gone = place()
    back_end.run("feed.py")
    kept = [place(), place()]
    orders.cancel(kept[0].pk)
    Order.objects.filter(pk=gone.pk).delete()
    lose(loss)

    back_end.run("feed.py")
    assert statuses(back_end) == {str(kept[0].pk): "cancelled", str(kept[1].pk): "pending_payment"}
    orders.cancel(kept[1].pk)
    back_end.run("feed.py")

    assert set(statuses(back_end).values()) == {"cancelled"}


def lose(loss: str) -> None:
    """Let the stored cursor be one from which nothing can be read, or after which numbers leap."""
    if loss == "promotion":
        Numbering.objects.update(cluster="another server 00000001 1")
        return
    numbering.number_all(batches=9)
    if loss == "purged":
        newest = Numbering.objects.get().last_sequence
        Event.objects.all().delete()
        Numbering.objects.update(purged_through=newest)
    else:
        Event.objects.all().delete()
        Numbering.objects.update(last_sequence=1)


def test_the_other_commands_do_what_the_text_says(back_end, product):
    endpoint_id = json.loads(back_end.shell("webhook-endpoints", "url"))["id"]

    back_end.shell("/disable", ENDPOINT_ID=endpoint_id)
    assert Endpoint.objects.get().status == "disabled"
    back_end.shell("/enable", ENDPOINT_ID=endpoint_id)
    assert Endpoint.objects.get().status == "enabled"
    back_end.shell("/test", ENDPOINT_ID=endpoint_id)
    deliveries = json.loads(back_end.shell("/deliveries", ENDPOINT_ID=endpoint_id))["results"]
    assert [delivery["type"] for delivery in deliveries] == ["webhook.test"]
    back_end.shell("version=", PRODUCT_ID=str(product.pk))
    product.refresh_from_db()
    assert product.price == Decimal("24.99")


def text() -> str:
    return (PROJECT / "docs" / DOCUMENT).read_text()


def table(head: str) -> list[list[str]]:
    """Return the cells of the table that begins with these columns."""
    rows = re.search(rf"^{re.escape(head)}.*\n\|[-|]*\n((?:\|.*\n)+)", text(), re.MULTILINE)[1]
    return [[cell.strip() for cell in row.strip("|\n").split(" | ")] for row in rows.splitlines()]


def described() -> dict:
    return json.loads((PROJECT / "docs" / "openapi-backoffice.json").read_text())


def test_the_scopes_are_those_that_there_are():
    assert table("| scope |") == [[f"`{name}`", meaning] for name, meaning in scopes.MEANINGS.items()]


def test_the_types_of_events_are_those_that_there_are():
    assert [row[:2] for row in table("| type |")] == [[f"`{event.value}`", event.label] for event in EventType]


def test_the_calls_are_those_that_the_document_describes():
    calls = re.findall(r"`([A-Z]+ /[^`]*)`", "\n".join(row[0] for row in table("| call |")))
    operations = [
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in described()["paths"].items()
        for method in methods
    ]

    assert sorted(calls) == sorted(operations)


def test_the_limits_are_those_of_the_code():
    words = " ".join(text().split())
    waits = [
        f"{wait} s" if wait < 60 else f"{wait // 60} min" if wait < 3600 else f"{wait // 3600} h"
        for wait in WAITS_SECONDS[1:]
    ]

    assert f"at once, then after {', '.join(waits[:-1])} and {waits[-1]}, each {JITTER:.0%}".replace("%", " %") in words
    assert f"at most {MAX_ENDPOINTS} endpoints" in words
    assert f"at most {MAX_REPLAYED:,} with one request" in words
    assert f"For {ROTATION_HOURS} hours every message has two signatures" in words
    assert f"as long as events are kept, {EVENTS_KEPT_DAYS} days" in words
    assert f"for {RETENTION_DAYS} days, with `Idempotent-Replayed: true`" in words
    assert f"higher by at least {numbering.JUMP:,}" in words


def test_the_quota_is_the_default():
    quota = re.search(r"^TOKEN_BACKOFFICE_PER_MINUTE=(\d+)$", (PROJECT / ".env.example").read_text(), re.M)[1]

    assert f"{int(quota):,} requests a minute" in text()
