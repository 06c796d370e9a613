"""Batches of requests that are greenlets, alone or beside threads: worker threads process those of greenlets."""

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from django.db import OperationalError, connection

from flashsale.core import greenlets
from flashsale.core.batching import Batcher, batcher, queues
from flashsale.core.transactions import Busy, OutcomeUnknown
from flashsale.tests.support.greenlets import LoopThread
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

SHORT_SECONDS = 0.05
MANY = 400


class Desk:
    """A batcher of one queue that records its batches; each `gate` holds back the batches of a request until it is set.

    A request that is an exception is raised for its whole batch.
    """

    def __init__(self) -> None:
        self.batches: list[list] = []
        self.leaders: list[threading.Thread] = []
        self.gates: dict[str, threading.Event] = {}
        self.begun: dict[str, threading.Event] = {}
        self.batcher: Batcher = Batcher(self._process)

    def hold_back(self, *names: str) -> None:
        """Let the batches of these requests begin, and not end."""
        for name in names:
            self.gates[name], self.begun[name] = threading.Event(), threading.Event()

    def submit(self, run, request) -> Future:
        """Submit a request; return its future result when it has begun, waits in the queue, or has ended."""
        in_flight = self.batcher._in_flight
        future = run(self.batcher.submit, "all", request)
        wait_until(lambda: self.batcher._in_flight > in_flight or future.done(), what=f"{request} is submitted")
        if request in self.begun:
            assert self.begun[request].wait(WAIT_SECONDS)
        return future

    def is_led_too_long(self) -> None:
        """Let the present leader have begun long ago."""
        self.batcher._queues["all"].led_since -= 2 * batcher.LEAD_SECONDS

    def is_empty(self) -> bool:
        return self.batcher._in_flight == 0 and not self.batcher._queues

    def _process(self, _, requests, admit) -> Sequence:
        self.batches.append(requests)
        self.leaders.append(threading.current_thread())
        for request in requests:
            if request in self.gates:
                self.begun[request].set()
                assert self.gates[request].wait(WAIT_SECONDS)
            if isinstance(request, BaseException):
                raise request
        return requests


@pytest.fixture
def desk(monkeypatch):
    for name in ("LEAD_SECONDS", "WAIT_SECONDS", "BATCH_SECONDS"):
        monkeypatch.setattr(batcher, name, WAIT_SECONDS)
    return Desk()


def results(futures: Sequence[Future]) -> list:
    return [one.exception(WAIT_SECONDS) or one.result() for one in futures]


def test_one_worker_thread_leads_batch_after_batch(desk, loop):
    names = ["first", "second", "third"]
    desk.hold_back(*names)
    futures = [desk.submit(loop.spawn, "first")]
    for name, before in zip(names[1:], names, strict=False):
        futures.append(loop.spawn(desk.batcher.submit, "all", name))
        wait_until(lambda: desk.batcher._queues["all"].waiting, what=f"{name} waits")
        desk.gates[before].set()
        assert desk.begun[name].wait(WAIT_SECONDS)

    desk.gates["third"].set()

    assert results(futures) == names
    assert desk.batches == [["first"], ["second"], ["third"]]
    assert len(set(desk.leaders)) == 1
    assert desk.is_empty()


def test_a_leader_that_takes_too_long_is_replaced_by_another_worker_thread(desk, loop):
    desk.hold_back("slow")
    slow = desk.submit(loop.spawn, "slow")
    behind = desk.submit(loop.spawn, "behind")
    desk.is_led_too_long()

    late = desk.submit(loop.spawn, "late")

    assert results([behind, late]) == ["behind", "late"]
    desk.gates["slow"].set()
    assert results([slow]) == ["slow"]
    assert desk.batches == [["slow"], ["behind", "late"]]
    assert len(set(desk.leaders)) == 2
    assert desk.is_empty()


def occupied_workers(loop: LoopThread) -> threading.Event:
    """Occupy all worker threads of a loop until the event that is returned is set."""
    may_go_on = threading.Event()
    all_begun = threading.Barrier(greenlets.WORKER_THREADS + 1)
    for _ in range(greenlets.WORKER_THREADS):
        loop.call(loop.events.work, lambda: (all_begun.wait(), may_go_on.wait(WAIT_SECONDS)))
    all_begun.wait(WAIT_SECONDS)
    return may_go_on


def test_a_leader_appointed_twice_before_a_worker_thread_has_time_is_processed_once(desk, loop):
    may_go_on = occupied_workers(loop)
    with LoopThread() as other:
        futures = [desk.submit(run, name) for run, name in ((loop.spawn, "appointed"), (other.spawn, "behind"))]
        desk.is_led_too_long()
        futures.append(desk.submit(loop.spawn, "late"))

        may_go_on.set()

        assert results(futures) == ["appointed", "behind", "late"]
        assert desk.batches == [["appointed", "behind", "late"]]
        assert desk.is_empty()


def test_a_leader_that_no_worker_thread_has_time_for_gets_busy(desk, loop, monkeypatch):
    monkeypatch.setattr(batcher, "WAIT_SECONDS", SHORT_SECONDS)
    may_go_on = occupied_workers(loop)

    futures = [loop.spawn(desk.batcher.submit, "all", name) for name in ("leader", "behind")]

    assert [type(error) for error in results(futures)] == [Busy, Busy]
    may_go_on.set()
    wait_until(desk.is_empty)
    monkeypatch.setattr(batcher, "WAIT_SECONDS", WAIT_SECONDS)
    assert results([desk.submit(loop.spawn, "after")]) == ["after"]
    assert desk.batches == [["after"]]
    assert desk.is_empty()


def test_a_request_that_is_not_taken_in_time_gets_busy(desk, loop, monkeypatch):
    desk.hold_back("slow")
    slow = desk.submit(loop.spawn, "slow")
    monkeypatch.setattr(batcher, "WAIT_SECONDS", SHORT_SECONDS)

    behind = desk.submit(loop.spawn, "behind")

    assert [type(error) for error in results([behind])] == [Busy]
    desk.gates["slow"].set()
    assert results([slow]) == ["slow"]
    assert desk.batches == [["slow"]]
    assert desk.is_empty()


@pytest.mark.parametrize("kinds", ["gt", "tg", "go", "gg", "tt"], ids="leader and successor: {}".format)
@pytest.mark.parametrize(("error", "raised"), [(ValueError("no"), ValueError), (SystemExit(), OutcomeUnknown)], ids=str)
def test_after_a_batch_that_fails_the_next_leader_begins(desk, loop, threads, kinds, error, raised):
    """The leader and its successor are threads (t), greenlets of one loop (g) or of another one (o)."""
    with LoopThread() as other:
        runs = {"g": loop.spawn, "t": threads.submit, "o": other.spawn}
        leader, successor = (runs[kind] for kind in kinds)
        desk.hold_back(error)
        failing = desk.submit(leader, error)
        behind = [desk.submit(successor, "next"), desk.submit(leader, "last")]

        desk.gates[error].set()

        # A leader that is a thread raises the exception that stopped it.
        expected = SystemExit if kinds[0] == "t" and raised is OutcomeUnknown else raised
        assert type(failing.exception(WAIT_SECONDS)) is expected
        assert results(behind) == ["next", "last"]
    assert desk.is_empty()


@pytest.mark.parametrize("can_be_closed", [True, False])
def test_a_broken_connection_is_replaced_between_two_batches(desk, loop, monkeypatch, can_be_closed):
    closed = []

    class Broken:
        errors_occurred = True

        def close(self) -> None:
            closed.append(list(desk.batches))
            if not can_be_closed:
                raise OperationalError

    monkeypatch.setattr(batcher, "connection", Broken())
    desk.hold_back("first")
    futures = [desk.submit(loop.spawn, "first"), desk.submit(loop.spawn, "second")]

    desk.gates["first"].set()

    assert results(futures) == ["first", "second"]
    assert closed == [[["first"]]]
    assert len(set(desk.leaders)) == 1


@pytest.mark.django_db(transaction=True)
def test_the_batch_after_a_cut_connection_is_processed_on_a_new_one(loop):
    begun, may_end, sessions = threading.Event(), threading.Event(), []

    def process(_, requests, admit) -> Sequence:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            sessions.append(cursor.fetchone()[0])
        if requests == ["cut"]:
            begun.set()
            assert may_end.wait(WAIT_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return requests

    batcher: Batcher = Batcher(process)
    cut = loop.spawn(batcher.submit, "all", "cut")
    assert begun.wait(WAIT_SECONDS)
    behind = loop.spawn(batcher.submit, "all", "behind")
    wait_until(lambda: batcher._in_flight == 2)

    may_end.set()

    assert "terminat" in str(cut.exception(WAIT_SECONDS))
    assert behind.result(WAIT_SECONDS) == "behind"
    assert len(set(sessions)) == 2


def test_threads_and_greenlets_of_two_loops_share_a_queue(desk, loop, threads):
    with LoopThread() as other:
        runs = [loop.spawn, other.spawn, threads.submit]
        futures = [runs[n % 3](desk.batcher.submit, "all", n) for n in range(MANY)]

        assert results(futures) == list(range(MANY))

    assert sorted(itertools.chain(*desk.batches)) == list(range(MANY))
    assert max(len(batch) for batch in desk.batches) <= queues.MAX_BATCH
    assert desk.is_empty()


def test_nothing_is_lost_while_leaders_are_replaced_all_the_time(desk, loop, threads, monkeypatch):
    monkeypatch.setattr(batcher, "LEAD_SECONDS", 0.0)
    with LoopThread() as other:
        runs = [loop.spawn, other.spawn, threads.submit]
        futures = [runs[n % 3](desk.batcher.submit, "all", n) for n in range(MANY)]

        assert results(futures) == list(range(MANY))

    assert sorted(itertools.chain(*desk.batches)) == list(range(MANY))
    assert desk.is_empty()
