"""Lines of requests that are decided together, at moments that are rare: who is woken twice, or dies while it waits."""

import threading
from collections.abc import Sequence

import psycopg.errors
import pytest
from django.db import OperationalError

from flashsale.core import batching
from flashsale.core.batching import Batcher, batch_else_individually
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until


class SlowToWait:
    """Stands for this thread's connection: who waits gives it back first, which takes long for those named here."""

    in_atomic_block = False

    def __init__(self, **until: threading.Event | Exception) -> None:
        self._until = until

    def close(self) -> None:
        until = self._until.get(threading.current_thread().name)
        if isinstance(until, Exception):
            raise until
        if until is not None:
            assert until.wait(WAIT_SECONDS)


class Shop:
    """A line whose first leader, `first`, decides when it may; the others are decided at once."""

    def __init__(self) -> None:
        self.begun, self.may_decide = threading.Event(), threading.Event()
        self.lets_latecomers_in = False
        self.answers: dict[str, object] = {}
        self.line: Batcher = Batcher(self._decide)

    def _decide(self, _, batch) -> Sequence[str]:
        if "first" in batch.requests:
            self.begun.set()
            assert self.may_decide.wait(WAIT_SECONDS)
            batch.admit(lambda _: self.lets_latecomers_in)
        return list(batch.requests)

    def ask(self, name: str) -> threading.Thread:
        """Let somebody ask; returns when it is in line, or has its answer."""
        inside = self.line._in_flight
        asking = threading.Thread(target=self._ask, args=(name,), name=name)
        asking.start()
        wait_until(lambda: self.line._in_flight > inside or name in self.answers, what=f"{name} is in line")
        return asking

    def is_led_too_long(self) -> None:
        """Let the present leader have begun long ago."""
        self.line._queues["all"].led_since -= 2 * batching.LEAD_SECONDS

    def _ask(self, name: str) -> None:
        try:
            self.answers[name] = self.line.submit("all", name)
        except Exception as error:
            self.answers[name] = error

    def is_empty(self) -> bool:
        return self.line._in_flight == 0 and not self.line._queues


@pytest.fixture
def shop(monkeypatch):
    for name in ("LEAD_SECONDS", "WAIT_SECONDS", "TAKEN_SECONDS"):
        monkeypatch.setattr(batching, name, WAIT_SECONDS)
    return Shop()


def test_who_was_appointed_and_is_taken_along_before_it_noticed_has_its_answer(shop, monkeypatch):
    noticed, shop.lets_latecomers_in = threading.Event(), True
    monkeypatch.setattr(batching, "connection", SlowToWait(appointed=noticed))
    asking = [shop.submit("first")]
    assert shop.begun.wait(WAIT_SECONDS)
    asking += [shop.submit("appointed"), shop.submit("behind")]
    shop.is_led_too_long()
    asking.append(shop.submit("late"))

    shop.may_decide.set()
    asking[0].join(WAIT_SECONDS)
    noticed.set()
    [one.join(WAIT_SECONDS) for one in asking]

    assert shop.answers == {name: name for name in ("first", "appointed", "behind", "late")}
    assert shop.is_empty()


def test_who_is_appointed_twice_leads_once(shop, monkeypatch):
    noticed = threading.Event()
    monkeypatch.setattr(batching, "connection", SlowToWait(appointed=noticed))
    asking = [shop.submit("first")]
    assert shop.begun.wait(WAIT_SECONDS)
    asking.append(shop.submit("appointed"))
    shop.may_decide.set()
    asking[0].join(WAIT_SECONDS)
    shop.is_led_too_long()

    asking.append(shop.submit("late"))
    noticed.set()
    [one.join(WAIT_SECONDS) for one in asking]

    assert shop.answers == {name: name for name in ("first", "appointed", "late")}
    assert shop.is_empty()


def test_who_dies_while_it_waits_stops_nobody_behind_it(shop, monkeypatch):
    monkeypatch.setattr(batching, "connection", SlowToWait(dying=ValueError("no pool")))
    asking = [shop.submit("first")]
    assert shop.begun.wait(WAIT_SECONDS)
    asking += [shop.submit("dying"), shop.submit("behind")]

    shop.may_decide.set()
    [one.join(WAIT_SECONDS) for one in asking]

    assert str(shop.answers.pop("dying")) == "no pool"
    assert shop.answers == {"first": "first", "behind": "behind"}
    assert shop.is_empty()


def test_a_lock_that_does_not_come_is_waited_for_twice_alone_at_most():
    waited = []

    def wait_in_vain(requests) -> list:
        waited.append(requests)
        raise OperationalError from psycopg.errors.LockNotAvailable()

    results = batch_else_individually(list(range(64)), wait_in_vain, wait_in_vain)

    assert waited == [list(range(64)), 0, 1]
    assert {type(result) for result in results} == {OperationalError}
    assert len({id(result) for result in results}) == len(results) == 64


def test_one_lock_that_does_not_come_spoils_no_other_request():
    def wait_for_the_third(request) -> str:
        if request in (3, [1, 2, 3, 4]):
            raise OperationalError from psycopg.errors.LockNotAvailable()
        return f"done {request}"

    results = batch_else_individually([1, 2, 3, 4], wait_for_the_third, wait_for_the_third)

    assert [str(result) for result in results] == ["done 1", "done 2", "", "done 4"]
