"""Bulkheads entered by greenlets, alone and beside threads."""

import threading
from concurrent.futures import Future

import pytest

from flashsale import server
from flashsale.core import greenlets
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.transactions import Busy
from flashsale.tests.support.greenlets import LoopThread
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

SHORT_SECONDS = 0.05


class Compartment:
    """A bulkhead with one place, and the names of those that were inside, in order."""

    def __init__(self, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.bulkhead = Bulkhead(lambda: 1, waiting=lambda: 10, wait_seconds=wait_seconds)
        self.entered: list[str] = []
        self._may_leave: dict[str, threading.Event] = {}

    def enter(self, run, name: str) -> Future:
        """Enter in a greenlet or thread; return its future end when it is inside, or waits."""
        self._may_leave[name] = threading.Event()
        waiting = len(self.bulkhead._queue)
        future = run(self._stay, name)
        wait_until(lambda: name in self.entered or len(self.bulkhead._queue) > waiting or future.done())
        return future

    def leave(self, *names: str) -> None:
        """Let these leave as soon as they are inside."""
        for name in names:
            self._may_leave[name].set()

    def _stay(self, name: str) -> str:
        with self.bulkhead.entered():
            self.entered.append(name)
            greenlets.offload(self._may_leave[name].wait, WAIT_SECONDS)
        return name

    def is_empty(self) -> bool:
        return self.bulkhead._inside == 0 and not self.bulkhead._queue


def test_places_are_handed_over_in_order_among_greenlets_and_threads(loop, threads):
    compartment, names = Compartment(), ["one", "two", "three", "four"]
    runs = [loop.spawn, threads.submit, loop.spawn, loop.spawn]
    ends = [compartment.enter(run, name) for run, name in zip(runs, names, strict=True)]
    assert compartment.entered == ["one"]

    compartment.leave(*names)

    assert [end.result(WAIT_SECONDS) for end in ends] == names
    assert compartment.entered == names
    assert compartment.is_empty()


def test_a_greenlet_that_gets_no_place_in_time_is_refused_and_leaves_the_queue(loop):
    compartment = Compartment(wait_seconds=SHORT_SECONDS)
    inside = compartment.enter(loop.spawn, "inside")

    late = compartment.enter(loop.spawn, "late")

    assert type(late.exception(WAIT_SECONDS)) is Busy
    compartment.leave("inside")
    assert inside.result(WAIT_SECONDS) == "inside"
    assert compartment.entered == ["inside"]
    assert compartment.is_empty()


def test_a_place_that_is_handed_over_when_the_time_ends_is_taken(loop, threads, monkeypatch):
    compartment = Compartment(wait_seconds=SHORT_SECONDS)
    inside = compartment.enter(threads.submit, "inside")
    compartment._may_leave["waiting"] = threading.Event()
    handed_over, resume_soon = [], loop.events._resume_soon
    # The greenlet is not resumed by the hand-over, only at the end of its time.
    monkeypatch.setattr(
        loop.events, "_resume_soon", lambda event: resume_soon(event) if handed_over else handed_over.append(event)
    )

    def enter_and_hand_over() -> Future:
        waiting: Future = Future()
        loop.events.spawn(lambda: waiting.set_result(compartment._stay("waiting")))
        compartment.leave("inside")
        wait_until(lambda: handed_over)
        return waiting

    waiting = loop.call(enter_and_hand_over).result(WAIT_SECONDS)
    compartment.leave("waiting")

    assert inside.result(WAIT_SECONDS) == "inside"
    assert waiting.result(WAIT_SECONDS) == "waiting"
    assert compartment.is_empty()


@pytest.mark.parametrize("is_offloaded", [False, True], ids=["greenlets", "control: worker threads"])
def test_greenlets_that_wait_for_a_place_occupy_no_worker_thread(loop, is_offloaded):
    compartment, names = Compartment(), [str(n) for n in range(8)]
    run = (lambda *call: loop.spawn(greenlets.offload, *call)) if is_offloaded else loop.spawn

    ends = [compartment.enter(run, name) for name in names]

    assert (len(loop.events._workers._threads) > 1) is is_offloaded
    compartment.leave(*names)
    assert [end.result(WAIT_SECONDS) for end in ends] == names
    assert compartment.is_empty()


@pytest.fixture
def occupied(settings):
    """A function that gives the loop as many batches as may wait for locked stock, each in a worker thread."""
    settings.DATABASE_POOL_MAX = server.CONNECTIONS
    may_leave = threading.Event()
    stock = Bulkhead(shares.stock_locks, waiting=shares.lock_waiters, wait_seconds=WAIT_SECONDS)

    def wait_for_stock() -> None:
        with stock.entered():
            may_leave.wait(WAIT_SECONDS)

    def occupy(loop: LoopThread) -> None:
        for _ in range(shares.stock_locks() + shares.lock_waiters()):
            loop.call(loop.events.work, wait_for_stock).result(WAIT_SECONDS)

    yield occupy, may_leave
    may_leave.set()


def test_while_all_batches_wait_for_locked_stock_other_requests_have_worker_threads(occupied):
    occupy, may_leave = occupied
    all_read = threading.Barrier(greenlets.WORKER_THREADS)
    with LoopThread(threads=shares.worker_threads()) as loop:
        occupy(loop)

        reads = [loop.spawn(greenlets.offload, all_read.wait) for _ in range(greenlets.WORKER_THREADS)]

        assert sorted(read.result(WAIT_SECONDS) for read in reads) == list(range(greenlets.WORKER_THREADS))
        may_leave.set()


def test_control_with_fewer_threads_they_wait(occupied):
    occupy, may_leave = occupied
    with LoopThread(threads=greenlets.WORKER_THREADS) as loop:
        occupy(loop)

        read = loop.spawn(greenlets.offload, str)

        wait_until(lambda: loop.events._workers._work_queue.qsize() > 0)
        assert not read.done()
        may_leave.set()
        assert read.result(WAIT_SECONDS) == ""
