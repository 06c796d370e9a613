"""Slots for requests to a provider's API: an even rate over all processes, buyers first, a share for the background."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction
from flashsale.tests.support.racing import Meeting, at_once, times
from flashsale.tests.support.wire import traffic
from payments import request_slots
from payments.models import RequestSlot

# Requests in a second: of races, and of tests with a line in which no time passes.
RATE = 20
SLOW = 0.2
INTERVAL = 1 / SLOW
THREADS = 8
NAME = "stripe POST /v1/payment_intents"


@pytest.fixture(autouse=True)
def rate(settings, db):
    settings.STRIPE_REQUESTS_PER_SECOND = SLOW


@pytest.fixture
def fast(settings):
    settings.STRIPE_REQUESTS_PER_SECOND = RATE


def reserved(*, max_wait: float = 60, is_urgent: bool = True, name: str = NAME) -> float | None:
    with transaction.atomic():
        return request_slots.reserve(name, max_wait=max_wait, is_urgent=is_urgent)


def let_slots_pass(*, seconds: float) -> None:
    RequestSlot.objects.update(next_at=F("next_at") - timedelta(seconds=seconds))


def race(calls_each: int = 10) -> tuple[list[float], float]:
    """Return the ends of the slots that threads took, and the fewest seconds from one to the RATE-th after it."""

    def take_several() -> list[float]:
        taken = []
        for _ in range(calls_each):
            with transaction.atomic():
                assert request_slots.reserve(NAME, max_wait=60, is_urgent=True) is not None
                taken.append(RequestSlot.objects.get(pk=NAME).next_at.timestamp())
        return taken

    sent = sorted(moment for moments in at_once(*times(THREADS, take_several)) for moment in moments)
    return sent, min(later - first for first, later in zip(sent, sent[RATE:], strict=False))


@pytest.mark.django_db(transaction=True)
def test_in_no_second_are_more_requests_sent_than_the_rate(fast):
    sent, least_seconds = race()

    assert len(sent) == THREADS * 10
    assert least_seconds > 0.999


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_on_the_row_slots_are_given_twice(fast, monkeypatch):
    meeting = Meeting(THREADS)

    def read_then_write(name, *, count, interval, max_wait):
        slot = RequestSlot.objects.get(pk=name)
        now = clock.now()
        meeting.wait()
        starts_at = max(slot.next_at, now)
        RequestSlot.objects.filter(pk=name).update(next_at=starts_at + timedelta(seconds=interval))
        return [(starts_at - now).total_seconds()]

    reserved()
    monkeypatch.setattr(request_slots, "_take", read_then_write)
    _, least_seconds = race(calls_each=4)

    assert least_seconds < 0.9


def test_a_line_is_as_long_as_its_requests_wait_and_each_endpoint_has_its_own():
    waits = [reserved(max_wait=2.5 * INTERVAL) for _ in range(5)]

    assert waits[0] == 0
    assert 0 < waits[1] <= INTERVAL < waits[2] <= 2 * INTERVAL
    assert waits[3:] == [None, None]
    assert reserved(name="stripe GET /v1/payment_intents") == 0


def test_what_was_rolled_back_was_not_reserved():
    with transaction.atomic():
        reserved()
        transaction.set_rollback(True)

    assert reserved() == 0


def test_background_requests_take_places_in_a_short_line_and_a_share_of_a_long_one():
    alone = [reserved(is_urgent=False) for _ in range(3)]
    for _ in range(4):
        reserved()
    beside = [reserved(is_urgent=False) for _ in range(4)]
    behind = reserved()
    let_slots_pass(seconds=request_slots.BACKGROUND_SHARE * INTERVAL)
    for _ in range(7):
        reserved()
    later = [reserved(is_urgent=False) for _ in range(4)]

    assert None not in alone
    assert [wait is None for wait in beside] == [False, True, True, True]
    assert behind > beside[0]
    assert [wait is None for wait in later] == [False, True, True, True]


def test_a_background_request_keeps_to_its_longest_wait():
    for _ in range(3):
        reserved()

    assert reserved(is_urgent=False, max_wait=INTERVAL) is None


def test_a_clock_that_was_set_back_does_not_stop_the_requests():
    reserved()
    let_slots_pass(seconds=-3600)

    waits = [reserved() for _ in range(2)]

    assert waits[0] == 0
    assert 0 < waits[1] <= INTERVAL


def test_buyers_take_as_many_places_as_there_are_in_time():
    together = reserved_together(count=4, max_wait=2.5 * INTERVAL)
    behind = reserved_together(count=2, max_wait=4.5 * INTERVAL)

    assert together == [0, INTERVAL, 2 * INTERVAL]
    assert behind[0] <= 3 * INTERVAL < behind[1] <= 4 * INTERVAL
    assert reserved_together(count=1, max_wait=4 * INTERVAL) == []
    assert reserved() == pytest.approx(behind[1] + INTERVAL, abs=1)


def reserved_together(*, count: int, max_wait: float) -> list[float]:
    with transaction.atomic():
        return request_slots.reserve_urgent(NAME, count=count, max_wait=max_wait)


@pytest.mark.django_db(transaction=True)
def test_slots_cost_one_round_trip_and_what_is_sent_with_the_commit():
    take = retrying_transaction(lambda: request_slots.reserve_urgent(NAME, count=3, max_wait=60))
    connection.ensure_connection()

    with traffic() as taken:
        take()

    assert taken.round_trips == 2
