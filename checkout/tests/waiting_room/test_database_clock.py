"""Queues go by the database's clock: no host's clock is asked, and a copy of it that is off moves nothing back."""

import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from checkout import waiting_room
from checkout.tests.support.queues import hold_with, join, queue_of, queued_product, serve_up_to, start_sale
from checkout.waiting_room.database_clock import DatabaseClock, database_clock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock_is_behind():
    """Let this process take the database's time for a minute less than it is, until a copy is read again."""

    def set_back() -> None:
        database_clock.reset()
        database_clock.follow(timezone.now() - MINUTE, asked=time.monotonic())

    yield set_back
    database_clock.reset()


@pytest.mark.django_db
def test_a_process_whose_clock_is_behind_mints_no_ticket_of_the_draw_after_it(api, clock_is_behind):
    product = queued_product()
    join(api, product)
    start_sale(product)
    assert queue_of(api, product)["seed"]

    clock_is_behind()
    joined = join(api, product).json()

    assert joined["place"] >= 1.0


@pytest.mark.django_db
def test_a_process_whose_clock_is_behind_sells_what_it_has_read_the_start_of(api, clock_is_behind):
    product = queued_product()
    ticket = join(api, product).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)
    queue_of(api, product)

    clock_is_behind()

    assert hold_with(api, product, ticket).status_code == 201


def test_no_clock_but_the_databases_is_asked():
    own = re.compile(r"timezone\.now|datetime\.now|utcnow|time\.time\b|HTTP_DATE")

    for module in Path(waiting_room.__file__).parent.glob("*.py"):
        assert not own.search(module.read_text()), module


def test_requests_go_by_the_time_of_their_copy():
    """`reading` alone asks the process's clock for a request."""
    for module in ("gate", "joining", "page"):
        text = Path(waiting_room.__file__).with_name(f"{module}.py").read_text()
        assert "database_clock" not in text, module
        assert "view, now = reading.get(product_id)" in text, module


def test_the_databases_clock_is_followed_whatever_the_host_says():
    followed = DatabaseClock()
    an_hour_off = timezone.now() + timedelta(hours=1)

    asked = time.monotonic()
    followed.follow(an_hour_off, asked=asked)

    assert timedelta(0) <= followed.now() - an_hour_off < MINUTE


@pytest.mark.parametrize("off", [MINUTE, -MINUTE])
def test_a_clock_that_was_set_is_followed_at_once(off):
    followed = DatabaseClock()
    followed.follow(timezone.now(), asked=time.monotonic())

    # A slower answer, which by itself would not replace the one before.
    followed.follow(timezone.now() + off, asked=time.monotonic() - 1)

    assert abs(followed.now() - timezone.now() - off) < timedelta(seconds=5)


def test_a_slow_answer_that_contradicts_nothing_is_not_followed():
    followed = DatabaseClock()
    followed.follow(timezone.now(), asked=time.monotonic())

    followed.follow(timezone.now() - timedelta(seconds=10), asked=time.monotonic() - 30)

    assert abs(followed.now() - timezone.now()) < timedelta(seconds=5)
