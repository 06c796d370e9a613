"""Batches of requests at moments that are rare: a waiter is woken twice, or its thread is stopped while it waits."""

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from unittest import mock

import psycopg.errors
import pytest
from django.db import OperationalError

from flashsale.core.batching import Batcher, batcher, is_fault, is_fault_or_lock_timeout, process_or_isolate
from flashsale.core.refusals import Refusal
from flashsale.core.transactions import Busy, OutcomeUnknown
from flashsale.tests.support.greenlets import LoopThread
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until


class SlowToWait:
    """Stands for this thread's connection: a waiter returns it first, which takes long for the threads named here."""

    in_atomic_block = False

    def __init__(self, **until: threading.Event | Exception) -> None:
        self._until = until

    def close(self) -> None:
        until = self._until.get(threading.current_thread().name)
        if isinstance(until, Exception):
            raise until
        if until is not None:
            assert until.wait(WAIT_SECONDS)


class Desk:
    """A batcher whose first leader, `first`, is processed when the test says so; the others are processed at once."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.admits = False
        self.results: dict[str, object] = {}
        self.batcher: Batcher = Batcher(self._process, admissible=lambda _: self.admits)

    def _process(self, _, requests, admit) -> Sequence[str]:
        if "first" not in requests:
            return requests
        self.begun.set()
        assert self.may_end.wait(WAIT_SECONDS)
        return [*requests, *admit()]

    def submit(self, name: str) -> threading.Thread:
        """Submit a request in a thread of its own; returns when it waits, or has its result."""
        in_flight = self.batcher._in_flight
        thread = threading.Thread(target=self._submit, args=(name,), name=name)
        thread.start()
        wait_until(lambda: self.batcher._in_flight > in_flight or name in self.results, what=f"{name} waits")
        return thread

    def is_led_too_long(self) -> None:
        """Let the present leader have begun long ago."""
        self.batcher._queues["all"].led_since -= 2 * batcher.LEAD_SECONDS

    def _submit(self, name: str) -> None:
        try:
            self.results[name] = self.batcher.submit("all", name)
        except Exception as error:
            self.results[name] = error

    def is_empty(self) -> bool:
        return self.batcher._in_flight == 0 and not self.batcher._queues


@pytest.fixture
def desk(monkeypatch):
    for name in ("LEAD_SECONDS", "WAIT_SECONDS", "BATCH_SECONDS"):
        monkeypatch.setattr(batcher, name, WAIT_SECONDS)
    return Desk()


def test_a_leader_that_is_admitted_elsewhere_before_it_wakes_gets_its_result(desk, monkeypatch):
    noticed, desk.admits = threading.Event(), True
    monkeypatch.setattr(batcher, "connection", SlowToWait(appointed=noticed))
    threads = [desk.submit("first")]
    assert desk.begun.wait(WAIT_SECONDS)
    threads += [desk.submit("appointed"), desk.submit("behind")]
    desk.is_led_too_long()
    threads.append(desk.submit("late"))

    desk.may_end.set()
    threads[0].join(WAIT_SECONDS)
    noticed.set()
    [one.join(WAIT_SECONDS) for one in threads]

    assert desk.results == {name: name for name in ("first", "appointed", "behind", "late")}
    assert desk.is_empty()


def test_a_waiter_appointed_twice_leads_once(desk, monkeypatch):
    noticed = threading.Event()
    monkeypatch.setattr(batcher, "connection", SlowToWait(appointed=noticed))
    threads = [desk.submit("first")]
    assert desk.begun.wait(WAIT_SECONDS)
    threads.append(desk.submit("appointed"))
    desk.may_end.set()
    threads[0].join(WAIT_SECONDS)
    desk.is_led_too_long()

    threads.append(desk.submit("late"))
    noticed.set()
    [one.join(WAIT_SECONDS) for one in threads]

    assert desk.results == {name: name for name in ("first", "appointed", "late")}
    assert desk.is_empty()


def test_a_waiter_that_is_stopped_does_not_block_the_queue(desk, monkeypatch):
    monkeypatch.setattr(batcher, "connection", SlowToWait(dying=ValueError("no pool")))
    threads = [desk.submit("first")]
    assert desk.begun.wait(WAIT_SECONDS)
    threads += [desk.submit("dying"), desk.submit("behind")]

    desk.may_end.set()
    [one.join(WAIT_SECONDS) for one in threads]

    assert str(desk.results.pop("dying")) == "no pool"
    assert desk.results == {"first": "first", "behind": "behind"}
    assert desk.is_empty()


def _processed(requests: list, process) -> Sequence:
    batch = SimpleNamespace(requests=requests, admit=list)
    return process_or_isolate(process, "all", batch, isolates=is_fault_or_lock_timeout)


def test_a_lock_that_times_out_is_waited_for_twice_alone_at_most():
    processed = []

    def time_out(_, requests, admit) -> list:
        processed.append(requests)
        raise OperationalError from psycopg.errors.LockNotAvailable()

    results = _processed(list(range(64)), time_out)

    assert processed == [list(range(64)), [0], [1]]
    assert {type(result) for result in results} == {OperationalError}
    assert len({id(result) for result in results}) == len(results) == 64


def test_one_lock_timeout_fails_no_other_request():
    def time_out_for_three(_, requests, admit) -> list[str]:
        if 3 in requests:
            raise OperationalError from psycopg.errors.LockNotAvailable()
        return [f"done {request}" for request in requests]

    results = _processed([1, 2, 3, 4], time_out_for_three)

    assert [str(result) for result in results] == ["done 1", "done 2", "", "done 4"]


@pytest.mark.parametrize(
    "error", [OperationalError(), Busy(), OutcomeUnknown()], ids=lambda error: type(error).__name__
)
def test_an_error_that_concerns_every_request_is_not_tried_again(error):
    processed = []

    def fail(_, requests, admit) -> list:
        processed.append(requests)
        raise error

    results = _processed([1, 2, 3], fail)

    assert processed == [[1, 2, 3]]
    assert {type(result) for result in results} == {type(error)}


def test_a_fault_in_a_batch_with_admitted_requests_fails_one_request():
    def fail_for_two(_, requests, admit) -> list[str]:
        batch.requests = [1, 2, 3]
        if 2 in [*requests, *admit()]:
            raise ValueError
        return [f"done {request}" for request in requests]

    batch = SimpleNamespace(requests=[1], admit=lambda: [2, 3])

    results = process_or_isolate(fail_for_two, "all", batch, isolates=is_fault)

    assert [str(result) for result in results] == ["done 1", "", "done 3"]


def test_a_refusal_of_a_whole_batch_is_every_requests_own_refusal():
    class OutOfStock(Refusal):
        code, title = "out_of_stock", "Out of stock"

        def __init__(self, *, left: int) -> None:
            super().__init__(f"{left} left", left=left)

    def refuse(_, requests, admit):
        raise OutOfStock(left=2)

    batch = SimpleNamespace(requests=["one", "two"], admit=list)

    results = process_or_isolate(refuse, "all", batch, isolates=lambda _: False)

    assert [(type(result), result.detail, result.extra) for result in results] == [
        (OutOfStock, "2 left", {"left": 2})
    ] * 2
    assert results[0] is not results[1]


def test_a_leader_for_whom_there_is_no_thread_leaves_the_queue(monkeypatch):
    """The process has no more threads, or is ending."""

    def process(_: str, requests: list[str], admit: object) -> list[str]:
        return requests

    desk: Batcher[str, str, str] = Batcher(process, max_in_flight=lambda: 1)

    def submit_on_a_loop() -> str:
        with LoopThread() as loop:
            monkeypatch.setattr(loop.events, "work", mock.Mock(side_effect=RuntimeError("can't start new thread")))
            return loop.spawn(desk.submit, "all", "first").result(WAIT_SECONDS)

    with pytest.raises(RuntimeError):
        submit_on_a_loop()

    assert (desk._in_flight, desk._queues) == (0, {})
    assert desk.submit("all", "second") == "second"
