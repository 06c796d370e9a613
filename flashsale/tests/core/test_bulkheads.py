"""Compartments of a process: full ones refuse, and no kind of request fills the whole process."""

import threading

import pytest
from django.conf import settings as configured

from flashsale import server
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.transactions import Busy
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until


class Crowd:
    """Threads that enter one bulkhead, and leave it when they may."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead
        self.inside: list[str] = []
        self.told: dict[str, str] = {}
        self._may_leave: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def comes(self, name: str) -> None:
        self._may_leave[name] = threading.Event()
        thread = threading.Thread(target=self._enter, args=(name,))
        thread.start()
        self._threads.append(thread)
        wait_until(lambda: name in self.told or name in self.inside or self.waiting() >= len(self.undecided()))

    def leaves(self, name: str) -> None:
        self._may_leave[name].set()
        wait_until(lambda: name in self.told)

    def undecided(self) -> set[str]:
        return self._may_leave.keys() - self.inside - self.told.keys()

    def waiting(self) -> int:
        return len(self.bulkhead._queue)

    def end(self) -> None:
        for may_leave in self._may_leave.values():
            may_leave.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)

    def _enter(self, name: str) -> None:
        try:
            with self.bulkhead.entered():
                self.inside.append(name)
                assert self._may_leave[name].wait(WAIT_SECONDS)
            self.told[name] = "done"
        except Busy:
            self.told[name] = "busy"


def test_the_next_request_gets_busy_where_none_may_wait():
    crowd = Crowd(Bulkhead(lambda: 2))
    for name in "abc":
        crowd.comes(name)

    assert (crowd.inside, crowd.told) == (["a", "b"], {"c": "busy"})
    crowd.end()


def test_those_who_wait_enter_in_the_order_in_which_they_came():
    crowd = Crowd(Bulkhead(lambda: 1, waiting=lambda: 2, wait_seconds=10))
    for name in "abcd":
        crowd.comes(name)
    crowd.leaves("a")
    wait_until(lambda: "b" in crowd.inside)
    crowd.leaves("b")
    wait_until(lambda: "c" in crowd.inside)

    assert (crowd.inside, crowd.told) == (["a", "b", "c"], {"a": "done", "b": "done", "d": "busy"})
    crowd.end()
    assert crowd.bulkhead._inside == 0


def test_a_request_that_waits_too_long_gets_busy_and_frees_its_place():
    crowd = Crowd(Bulkhead(lambda: 1, waiting=lambda: 1, wait_seconds=0.1))
    crowd.comes("a")
    crowd.comes("b")
    wait_until(lambda: crowd.told == {"b": "busy"})
    crowd.leaves("a")
    crowd.comes("c")

    assert crowd.inside == ["a", "c"]
    crowd.end()
    assert (crowd.bulkhead._inside, crowd.waiting()) == (0, 0)


def test_an_error_inside_makes_room_again():
    bulkhead = Bulkhead(lambda: 1)

    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), bulkhead.entered():
            raise ValueError("inside")


def test_no_kind_of_request_takes_every_thread():
    """Each kind has its share, and what all shares leave is for product pages and polled orders."""
    kinds = (shares.holds, shares.orders, shares.deliveries, shares.penalized_requests)

    assert sum(share() for share in kinds) <= configured.WEB_REQUESTS - 64
    # Connections are spread unevenly over processes: 64 clients may all be in one.
    assert min(share() for share in kinds) >= 64
    # So may most of the 300 who order and pay at the same moment, about half of whom each of two processes has.
    assert min(shares.orders(), shares.deliveries()) >= 180


def test_connections_are_left_for_orders_and_for_reading(settings):
    settings.DATABASE_POOL_MAX = server.CONNECTIONS

    assert (shares.stock_locks(), shares.payment_locks()) == (6, 4)
    assert server.CONNECTIONS == 12
