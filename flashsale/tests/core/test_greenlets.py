"""Greenlets on an event loop: a wait suspends one of them; in every other thread the same functions block."""

import contextlib
import contextvars
import gc
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import greenlet
import pytest
from django.db import connection

from flashsale.core import greenlets
from flashsale.tests.support.greenlets import LoopThread
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

SHORT_SECONDS = 0.01
pause = greenlets.sleep
color = contextvars.ContextVar("color", default="none")


class Fault(Exception):
    """An error that only this module raises; without slots, so that it can be referred to weakly."""


@pytest.fixture(params=["greenlet", "thread"])
def run(request, loop):
    """A function that calls another one in a greenlet, or in a thread without a loop; returns its future result."""
    with ThreadPoolExecutor() as threads:
        yield loop.spawn if request.param == "greenlet" else threads.submit


class OwnEvent:
    """An event made in a greenlet or thread, which then waits for it when the test says so."""

    def __init__(self, run, *, seconds: float | None = WAIT_SECONDS) -> None:
        self._made: Future = Future()
        self._may_wait = threading.Event()
        self._seconds = seconds
        self.waits = run(self._wait)
        self.event = self._made.result(WAIT_SECONDS)

    def _wait(self) -> list[bool]:
        event = greenlets.new_event()
        self._made.set_result(event)
        greenlets.offload(self._may_wait.wait, WAIT_SECONDS)
        return [event.wait(self._seconds), event.wait(SHORT_SECONDS)]

    def waited(self) -> list[bool]:
        """Let it wait twice; return whether each wait was ended by `set`."""
        self._may_wait.set()
        return self.waits.result(WAIT_SECONDS)


@pytest.mark.parametrize("times", [1, 2])
def test_an_event_that_was_set_before_ends_one_wait(run, times):
    own = OwnEvent(run)

    for _ in range(times):
        own.event.set()

    assert own.waited() == [True, False]


def test_an_event_is_set_from_another_thread_during_the_wait(run):
    own = OwnEvent(run, seconds=None)
    own._may_wait.set()

    own.event.set()

    assert own.waits.result(WAIT_SECONDS) == [True, False]


def test_an_event_that_is_set_after_the_time_ends_the_next_wait(run):
    def wait() -> list[bool]:
        event = greenlets.new_event()
        waited = [event.wait(SHORT_SECONDS)]
        event.set()
        return [*waited, event.wait(WAIT_SECONDS)]

    assert run(wait).result(WAIT_SECONDS) == [False, True]


def test_many_events_set_at_once_wake_the_loop_once(loop):
    calls, call = [], loop.loop.call_soon_threadsafe
    is_blocked, may_go_on = threading.Event(), threading.Event()
    owns = [OwnEvent(loop.spawn) for _ in range(100)]
    blocked = loop.call(lambda: (is_blocked.set(), may_go_on.wait(WAIT_SECONDS)))
    assert is_blocked.wait(WAIT_SECONDS)
    loop.loop.call_soon_threadsafe = lambda *args: (calls.append(args), call(*args))

    for own in owns:
        own.event.set()
    del loop.loop.call_soon_threadsafe
    may_go_on.set()

    assert blocked.result(WAIT_SECONDS)
    assert [own.waited() for own in owns] == [[True, False]] * 100
    assert len(calls) == 1


def test_offload_returns_the_result_and_raises_the_error(run):
    def fail() -> None:
        raise Fault("no")

    assert run(greenlets.offload, divmod, 7, 2).result(WAIT_SECONDS) == (3, 1)
    with pytest.raises(Fault, match="no"):
        run(greenlets.offload, fail).result(WAIT_SECONDS)


def test_offload_uses_a_worker_thread_only_on_the_loop(run, loop):
    caller, worker = run(lambda: (threading.current_thread(), greenlets.offload(threading.current_thread))).result()

    is_on_loop = caller is loop._thread
    assert worker.name.startswith("worker") is is_on_loop
    assert (worker is caller) is not is_on_loop


def test_a_worker_thread_sees_the_callers_context_and_leaves_it_alone(loop):
    def paint() -> str:
        seen = color.get()
        color.set("worker's")
        return seen

    def ask() -> tuple[str, str]:
        color.set("caller's")
        return greenlets.offload(paint), color.get()

    assert loop.spawn(ask).result(WAIT_SECONDS) == ("caller's", "caller's")
    assert loop.spawn(color.get).result(WAIT_SECONDS) == "none"


def _offload_then_set(run) -> tuple[Future, Future]:
    """Offload a wait for an event, and then have the same caller's thread set it; return both futures."""
    begun, event = threading.Event(), threading.Event()

    def wait() -> bool:
        begun.set()
        return event.wait(WAIT_SECONDS)

    first = run(greenlets.offload, wait)
    assert begun.wait(WAIT_SECONDS)
    second = run(event.set)
    return first, second


def test_other_greenlets_run_while_one_waits_for_a_worker_thread(loop):
    first, second = _offload_then_set(loop.spawn)

    assert second.result(WAIT_SECONDS) is None
    assert first.result(WAIT_SECONDS) is True


def test_control_without_the_loop_the_thread_is_blocked(monkeypatch):
    monkeypatch.setattr("flashsale.tests.core.test_greenlets.WAIT_SECONDS", SHORT_SECONDS * 50)
    with ThreadPoolExecutor(1) as thread:
        first, second = _offload_then_set(thread.submit)

        assert first.result() is False
        assert second.result() is None


@pytest.mark.django_db(transaction=True)
def test_a_worker_thread_returns_its_database_connection(loop):
    def query() -> object:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return connection._connections[connection._alias]

    used = loop.spawn(greenlets.offload, query).result(WAIT_SECONDS)

    wait_until(lambda: used.connection is None, what="the connection is closed")


async def _answer(value: object) -> object:
    if isinstance(value, Exception):
        raise value
    return value


def test_an_awaitable_of_the_loop_is_completed_by_greenlets_and_threads(run, loop):
    assert run(loop.events.complete, _answer("yes")).result(WAIT_SECONDS) == "yes"
    with pytest.raises(Fault):
        run(loop.events.complete, _answer(Fault())).result(WAIT_SECONDS)


def test_a_greenlet_that_sleeps_lets_others_run(loop):
    order: list[str] = []

    def sleep() -> None:
        pause(SHORT_SECONDS)
        order.append("slept")

    first, second = loop.spawn(sleep), loop.spawn(order.append, "did not sleep")

    assert [one.result(WAIT_SECONDS) for one in (first, second)] == [None, None]
    assert order == ["did not sleep", "slept"]


def test_close_waits_for_the_worker_threads_and_detaches_the_loop():
    begun, may_end = threading.Event(), threading.Event()
    with LoopThread() as loop:
        loop.call(loop.events.work, lambda: (begun.set(), may_end.wait(WAIT_SECONDS))).result(WAIT_SECONDS)
        assert begun.wait(WAIT_SECONDS)
        [worker] = loop.events._workers._threads
        closed = loop.call(lambda: (loop.events.close(), greenlets.current()))
        assert not closed.done()

        may_end.set()

        assert closed.result(WAIT_SECONDS) == (None, None)
        assert not worker.is_alive()


class Thing:
    """Something whose end can be observed."""


@pytest.mark.parametrize("what", ["offload", "complete"])
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_a_call_leaves_no_reference_cycle(loop, what, fails):
    gc.collect()
    gc.disable()
    try:
        thing = Thing()
        seen = [weakref.ref(thing)]

        def use(thing: Thing) -> None:
            if fails:
                error = Fault(thing)
                seen.append(weakref.ref(error))
                try:
                    raise error
                finally:
                    del error

        async def use_later(thing: Thing) -> None:
            use(thing)

        def call(things: list[Thing]) -> None:
            try:
                if what == "offload":
                    greenlets.offload(use, things.pop())
                else:
                    loop.events.complete(use_later(things.pop()))
            except Fault:
                return

        loop.spawn(call, [thing]).result(WAIT_SECONDS)
        del thing

        wait_until(lambda: not any(ref() for ref in seen), seconds=WAIT_SECONDS / 60, what="all objects are freed")
        assert len(seen) == 1 + fails
    finally:
        gc.enable()


def test_functions_take_turns_in_a_greenlet_and_those_that_wait_have_their_own(loop):
    waiting, ready = threading.Event(), Future()

    def wait() -> greenlet.greenlet:
        ready.set_result(None)
        greenlets.offload(waiting.wait, WAIT_SECONDS)
        return greenlet.getcurrent()

    first = loop.spawn(greenlet.getcurrent).result(WAIT_SECONDS)
    waits = loop.spawn(wait)
    ready.result(WAIT_SECONDS)
    second, third = (loop.spawn(greenlet.getcurrent).result(WAIT_SECONDS) for _ in range(2))
    waiting.set()

    assert waits.result(WAIT_SECONDS) is first
    assert second is third is not first


def test_a_function_finds_no_context_of_the_one_before_in_its_greenlet(loop):
    def dye() -> tuple[greenlet.greenlet, str]:
        before = color.get()
        color.set("red")
        return greenlet.getcurrent(), before

    found = [loop.spawn(dye).result(WAIT_SECONDS) for _ in range(2)]

    assert found[0] == found[1] == (found[0][0], "none")


def test_an_idle_greenlet_refers_to_nothing_of_the_function_that_it_ran(loop):
    gc.collect()
    gc.disable()
    try:
        subject = Fault()
        referred = weakref.ref(subject)
        loop.spawn(lambda kept: None, subject).result(WAIT_SECONDS)
        del subject
        wait_until(lambda: referred() is None, what="the function is forgotten")
    finally:
        gc.enable()


def test_only_some_idle_greenlets_are_kept(loop, monkeypatch):
    monkeypatch.setattr(greenlets, "MAX_IDLE", 3)
    waiting = threading.Event()
    all_at_once = [loop.spawn(greenlets.offload, waiting.wait, WAIT_SECONDS) for _ in range(10)]
    waiting.set()
    assert all(one.result(WAIT_SECONDS) for one in all_at_once)

    assert loop.call(lambda: len(loop.events._idle)).result(WAIT_SECONDS) == 3


def test_a_function_that_is_stopped_does_not_count_as_running(loop):
    class Stopped(BaseException):
        pass

    def stop() -> None:
        raise Stopped

    def spawn() -> None:
        with contextlib.suppress(Stopped):
            loop.events.spawn(stop)

    loop.call(spawn).result(WAIT_SECONDS)

    assert loop.events.running == 0
