"""The circuit breaker of Redis, for many calls at once."""

import pytest
import redis

from flashsale.core.redis_client import CircuitBreaker
from flashsale.tests.support.greenlets import LoopThread
from flashsale.tests.support.processes import WAIT_SECONDS

CALLS = 20


@pytest.fixture
def breaker():
    return CircuitBreaker(fallback="nothing happens")


def test_calls_that_waited_for_a_worker_thread_do_not_ask_a_dead_redis_again(breaker):
    asked = []

    def ask() -> None:
        asked.append(1)
        raise redis.ConnectionError

    with LoopThread(threads=1) as loop:
        calls = [loop.spawn(breaker.call, ask) for _ in range(CALLS)]
        answers = [call.result(WAIT_SECONDS) for call in calls]

    assert answers == [None] * CALLS
    assert len(asked) == 1


def test_control_while_redis_answers_every_call_asks_it(breaker):
    with LoopThread(threads=1) as loop:
        calls = [loop.spawn(breaker.call, lambda: "yes") for _ in range(CALLS)]

        assert [call.result(WAIT_SECONDS) for call in calls] == ["yes"] * CALLS
