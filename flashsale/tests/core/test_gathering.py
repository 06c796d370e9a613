"""A leader waits a moment for more requests where others are in progress in its process."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from unittest import mock

import pytest
from django.db import connection

from catalog import snapshot_refresh
from checkout.holds import batching as holds
from checkout.orders import batching as orders
from checkout.waiting_room import reading
from flashsale.core import greenlets
from flashsale.core.batching import Batcher, batcher
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from payments.attempts import asking
from payments.attempts import batching as attempts
from payments.inbox import batching as inbox
from payments.providers.payment_client import Outcome, PaymentAnswer

GATHERING = [
    holds.hold_batcher, holds.shared_batcher, orders.order_batcher, attempts.attempt_batcher, attempts.answer_batcher,
    inbox.delivery_batcher, inbox.payment_batcher,
]  # fmt: skip
pause = greenlets.sleep
READING = [snapshot_refresh.product_single_flight, reading.queue_single_flight]


class Gathering:
    """Stands for the clock of leaders: each that gathers stops here until the test lets it go on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.begun, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.has_connection: list[bool] = []

    monotonic = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.has_connection.append(connection.connection is not None)
        self.begun.release()
        assert self.may_end.acquire(timeout=WAIT_SECONDS)


class Desk:
    """A batcher that records its batches. The batch of `slow` ends when the test says so."""

    def __init__(self, *, gathers: bool = True) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.batcher: Batcher[str, str, str] = Batcher(self._process, gathers=gathers)

    def _process(self, _: str, requests: list[str], admit: object) -> Sequence[str]:
        self.batches.append(list(requests))
        if "slow" in requests:
            self.begun.set()
            assert self.may_end.wait(WAIT_SECONDS)
        return requests

    def submit(self, name: str) -> str:
        return self.batcher.submit("all", name)


@pytest.fixture
def gathering(monkeypatch):
    clock = Gathering()
    monkeypatch.setattr(batcher, "time", clock)
    yield clock
    clock.may_end.release(batcher.SIBLINGS)


@pytest.fixture
def others(loop):
    """Start requests that are in progress in the loop's process, and wait for something else; they end at the end."""
    events: list[greenlets.Event] = []
    futures = []

    def wait() -> None:
        events.append(greenlets.new_event())
        events[-1].wait()

    def start(number: int) -> None:
        futures.extend(loop.spawn(wait) for _ in range(number))
        wait_until(lambda: len(events) == len(futures))

    yield start
    for event in events:
        event.set()
    for future in futures:
        future.result(WAIT_SECONDS)
    wait_until(lambda: loop.events.running == 0, what="the loop counts no function that has ended")


def test_a_request_that_comes_while_the_leader_gathers_is_in_its_batch(loop, gathering, others):
    desk = Desk()
    others(batcher.SIBLINGS)
    first = loop.spawn(desk.submit, "first")
    assert gathering.begun.acquire(timeout=WAIT_SECONDS)
    second = loop.spawn(desk.submit, "second")
    wait_until(lambda: desk.batcher._in_flight == 2)

    gathering.may_end.release()

    assert [first.result(WAIT_SECONDS), second.result(WAIT_SECONDS)] == ["first", "second"]
    assert desk.batches == [["first", "second"]]
    assert gathering.seconds == [batcher.GATHER_SECONDS]


def test_with_fewer_others_a_leader_begins_at_once(loop, gathering, others):
    desk = Desk()
    others(batcher.SIBLINGS - 1)

    assert loop.spawn(desk.submit, "first").result(WAIT_SECONDS) == "first"

    assert gathering.seconds == []


def test_requests_of_the_batcher_are_no_others(loop, gathering):
    """They are in the batch, or wait for it already."""
    desk = Desk()
    slow = loop.spawn(desk.submit, "slow")
    assert desk.begun.wait(WAIT_SECONDS)
    behind = [loop.spawn(desk.submit, str(number)) for number in range(2 * batcher.SIBLINGS)]
    wait_until(lambda: desk.batcher._in_flight == 1 + len(behind))

    desk.may_end.set()

    assert [future.result(WAIT_SECONDS) for future in [slow, *behind]] == ["slow", *map(str, range(len(behind)))]
    assert gathering.seconds == []


@pytest.mark.parametrize("what", ["sleeps", "completes an awaitable", "waits for a provider"])
def test_requests_that_wait_outside_the_process_are_no_others(loop, gathering, monkeypatch, what):
    """They come to no batch: a client that sends slowly, or a payment provider, must not slow down all others."""
    desk, answered, sent, ends = Desk(), threading.Event(), asyncio.Event(), []
    waits = {
        "sleeps": lambda: pause(WAIT_SECONDS),
        "completes an awaitable": lambda: loop.events.complete(sent.wait()),
        "waits for a provider": lambda: greenlets.offload(answered.wait, WAIT_SECONDS),
    }

    def wait() -> None:
        with greenlets.aside() if what == "waits for a provider" else contextlib.nullcontext():
            waits[what]()

    with monkeypatch.context() as patch:
        patch.setattr(loop.events, "_call_later", lambda _seconds, end: ends.append(end) or mock.Mock())
        waiting = [loop.spawn(wait) for _ in range(2 * batcher.SIBLINGS)]
        loop.call(lambda: None).result(WAIT_SECONDS)
        assert loop.spawn(desk.submit, "first").result(WAIT_SECONDS) == "first"

    assert gathering.seconds == []
    answered.set()
    for end in [sent.set, *ends]:
        loop.call(end)
    for future in waiting:
        future.result(WAIT_SECONDS)


def test_a_request_that_asks_a_payment_provider_is_no_other(loop, monkeypatch):
    running = []

    def answer(*_args, **_kwargs) -> PaymentAnswer:
        running.append(loop.events.running)
        return PaymentAnswer(outcome=Outcome.UNKNOWN)

    client = mock.Mock(look_up_payment=answer)
    monkeypatch.setattr(asking, "_send", answer)
    monkeypatch.setattr(asking, "_reserve", lambda _slot: 0.0)

    loop.spawn(lambda: asking.ask(mock.Mock(), timeout=1)).result(WAIT_SECONDS)
    loop.spawn(asking.ask_about_payment, client, "pi_1").result(WAIT_SECONDS)

    assert running == [0, 0]


def test_where_as_many_wait_as_a_batch_takes_their_leader_begins_at_once(loop, gathering, others):
    desk = Desk()
    others(batcher.SIBLINGS)
    gathering.may_end.release()
    slow = loop.spawn(desk.submit, "slow")
    assert desk.begun.wait(WAIT_SECONDS)
    behind = [loop.spawn(desk.submit, str(number)) for number in range(batcher.MAX_BATCH)]
    wait_until(lambda: desk.batcher._in_flight == 1 + len(behind))

    desk.may_end.set()

    assert [future.result(WAIT_SECONDS) for future in [slow, *behind]] == ["slow", *map(str, range(len(behind)))]
    assert gathering.seconds == [batcher.GATHER_SECONDS]


def test_each_leader_gathers(loop, gathering, others):
    desk = Desk()
    others(batcher.SIBLINGS)
    gathering.may_end.release(2)
    slow = loop.spawn(desk.submit, "slow")
    assert desk.begun.wait(WAIT_SECONDS)
    behind = loop.spawn(desk.submit, "behind")
    wait_until(lambda: desk.batcher._in_flight == 2)

    desk.may_end.set()

    assert [slow.result(WAIT_SECONDS), behind.result(WAIT_SECONDS)] == ["slow", "behind"]
    assert gathering.seconds == [batcher.GATHER_SECONDS] * 2


def test_a_thread_never_gathers(loop, gathering, others, threads):
    """Nor does a batcher that was not told to: its requests are answered from what one of them reads."""
    others(batcher.SIBLINGS)

    assert threads.submit(Desk().submit, "thread").result(WAIT_SECONDS) == "thread"
    assert loop.spawn(Desk(gathers=False).submit, "greenlet").result(WAIT_SECONDS) == "greenlet"

    assert gathering.seconds == []


@pytest.mark.django_db(transaction=True)
def test_a_leader_that_gathers_holds_no_connection(loop, gathering, others):
    """Nor does its successor, which is led by the same worker thread."""
    begun = threading.Event()

    def process(_: str, requests: list[str], admit: object) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        begun.set()
        wait_until(lambda: desk._in_flight == 2 or requests == ["second"])
        return requests

    desk: Batcher[str, str, str] = Batcher(process, gathers=True)
    others(batcher.SIBLINGS)
    gathering.may_end.release(2)
    first = loop.spawn(desk.submit, "all", "first")
    # Not before: it would be in the batch of the first.
    assert begun.wait(WAIT_SECONDS)
    second = loop.spawn(desk.submit, "all", "second")

    assert [first.result(WAIT_SECONDS), second.result(WAIT_SECONDS)] == ["first", "second"]
    assert gathering.has_connection == [False, False]


def test_what_is_written_together_is_gathered_and_what_is_read_for_all_is_not():
    assert all(one._gathers for one in GATHERING)
    assert not any(one._gathers for one in READING)
