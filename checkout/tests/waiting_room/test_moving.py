"""Queues are made, drawn and moved by one process at a time, and go on when that one fails."""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import OperationalError
from django.utils import timezone

from catalog.models import Product
from catalog.queue_columns import Queue as Switch
from catalog.tests.factories import ProductFactory
from checkout.tests.support.queues import (
    HOUR,
    change,
    hold_with,
    join,
    let_queue_pass,
    queue_of,
    queued_product,
    serve_up_to,
    start_sale,
    ticket_minted,
)
from checkout.waiting_room import moving, rate
from checkout.waiting_room.counts import counter
from checkout.waiting_room.models import Queue, ServedPlace
from checkout.waiting_room.queues import copies
from checkout.waiting_room.running import runner
from flashsale.core.statements import Query
from flashsale.core.transactions import OutcomeUnknown
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.racing import Meeting, at_once, times

pytestmark = pytest.mark.django_db


def failing_for(product: Product, step, error: Exception):
    """Do a step, except for one product, for which it raises."""

    def attempt(product_id: int) -> None:
        if product_id == product.pk:
            raise error
        step(product_id)

    return attempt


@pytest.mark.parametrize("error", [OperationalError("refused"), OutcomeUnknown("the connection was lost")])
def test_a_queue_that_cannot_be_moved_holds_up_no_other_and_no_request(api, error):
    broken, sound = queued_product(starts_in=-HOUR), queued_product(starts_in=-HOUR)

    with mock.patch.object(moving, "move", failing_for(broken, moving.move, error)):
        runner.work()
        copies.reset()
        joined = join(api, broken)

    assert joined.status_code == 200
    assert list(Queue.objects.filter(drawn_at__isnull=False).values_list("pk", flat=True)) == [sound.pk]


def test_counts_that_cannot_be_stored_are_kept_and_hold_up_no_queue(api):
    product = queued_product()
    join(api, product)
    change(product, sale_starts_at=timezone.now())

    with mock.patch("checkout.waiting_room.counts.send", side_effect=OperationalError("refused")):
        runner.work()

    assert Queue.objects.get(pk=product.pk).drawn_at is not None
    counter.store()
    assert Queue.objects.get(pk=product.pk).tickets == 1


def test_the_draw_is_made_once_however_the_start_is_moved(api):
    product = queued_product()
    assert queue_of(api, product)["state"] == "open"
    ticket = ticket_minted(product, seconds_ago=60)
    start_sale(product)
    serve_up_to(product, 1.0)
    place, seed = join(api, product, ticket).json()["place"], queue_of(api, product)["seed"]

    change(product, sale_starts_at=timezone.now() + HOUR, queue_opens_at=timezone.now() - HOUR)
    postponed = queue_of(api, product)
    refused = hold_with(api, product, ticket)
    let_queue_pass(product, seconds=30)
    change(product, sale_starts_at=timezone.now() - timedelta(minutes=1))

    assert (postponed["state"], postponed["rate"]) == ("open", 0.0)
    assert problem_of(refused, 409, "sale_not_started")
    assert (join(api, product, ticket).json()["place"], queue_of(api, product)["seed"]) == (place, seed)
    assert queue_of(api, product)["serving"] == 1.0
    assert hold_with(api, product, ticket).status_code == 201


def test_a_start_that_is_moved_into_the_past_is_drawn_at_once(api):
    product = queued_product()
    ticket = join(api, product).json()["ticket"]

    change(product, sale_starts_at=timezone.now() - timedelta(minutes=5))

    assert 0 <= join(api, product, ticket).json()["place"] < 1
    assert join(api, product).json()["place"] >= 1


def test_a_queue_switched_on_after_the_start_has_no_draw(api):
    product = ProductFactory(sale_starts_at=timezone.now() - HOUR)

    change(product, queue=Switch.ON)
    first, second = (join(api, product).json()["place"] for _ in range(2))

    page = queue_of(api, product)
    assert (page["state"], page["seed"], page["seed_hash"]) == ("serving", None, None)
    assert 1.0 <= first <= second


def test_a_sale_that_is_paused_at_its_start_is_drawn_and_serves_once_it_goes_on(api):
    product = queued_product()
    assert queue_of(api, product)["state"] == "open"
    tickets = [ticket_minted(product, seconds_ago=1_000) for _ in range(3)]
    change(product, paused_at=timezone.now())
    start_sale(product)

    let_queue_pass(product, seconds=600)
    paused = queue_of(api, product)
    change(product, paused_at=None)
    let_queue_pass(product, seconds=2)
    let_queue_pass(product, seconds=10)

    assert (paused["state"], paused["serving"]) == ("paused", 0.0)
    assert paused["seed"]
    assert [hold_with(api, product, ticket).status_code for ticket in tickets] == [201] * 3


@pytest.mark.parametrize("stopped", ["paused", "ended", "postponed"])
def test_the_time_of_an_admission_stands_still_while_nothing_is_sold(api, settings, stopped):
    product = queued_product(stock=0)
    start_sale(product)
    now = timezone.now()
    columns = {
        "paused": {"paused_at": now},
        "ended": {"sale_ends_at": now},
        "postponed": {"sale_starts_at": now + HOUR, "queue_opens_at": now - HOUR},
    }
    change(product, **columns[stopped])
    let_queue_pass(product, seconds=2)
    before = Queue.objects.get(pk=product.pk).served_seconds

    for _ in range(3):
        let_queue_pass(product, seconds=settings.ADMISSION_SECONDS)

    assert Queue.objects.get(pk=product.pk).served_seconds == before


def test_without_stock_at_the_start_no_ticket_is_admitted(api):
    product = queued_product(stock=0)
    ticket = join(api, product).json()["ticket"]
    start_sale(product)

    let_queue_pass(product, seconds=30)

    assert (queue_of(api, product)["state"], queue_of(api, product)["serving"]) == ("sold_out", 0.0)
    assert problem_of(hold_with(api, product, ticket), 409, "not_admitted")


def test_a_queue_that_is_switched_off_and_on_in_mid_sale_keeps_its_draw_and_its_places(api):
    product = queued_product()
    tickets = [join(api, product).json()["ticket"] for _ in range(2)]
    start_sale(product)
    places = {ticket: join(api, product, ticket).json()["place"] for ticket in tickets}
    first, second = sorted(tickets, key=places.__getitem__)
    serve_up_to(product, places[first])

    change(product, queue=Switch.OFF)
    without = hold_with(api, product, None)
    change(product, queue=Switch.ON)

    assert without.status_code == 201
    assert join(api, product, second).json()["place"] == places[second]
    assert problem_of(hold_with(api, product, None), 409, "ticket_invalid")
    assert problem_of(hold_with(api, product, second), 409, "not_admitted")
    assert hold_with(api, product, first).status_code == 201


def test_without_a_ticket_nothing_is_held_where_a_process_does_not_know_the_queue_yet(api):
    product = ProductFactory(sale_starts_at=timezone.now() - HOUR)
    assert hold_with(api, product, None).status_code == 201

    Product.objects.filter(pk=product.pk).update(queue=Switch.ON)

    assert not copies.has(product.pk)
    assert problem_of(hold_with(api, product, None), 409, "ticket_invalid")


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_move_a_queue_at_once_never_add_up():
    product = queued_product(stock=100)
    start_sale(product)
    past = timezone.now() - timedelta(seconds=3)
    Queue.objects.filter(pk=product.pk).update(moved_at=past, turns_at=past)

    results = at_once(*times(6, lambda: moving.move(product.pk)))

    assert results == [None] * 6
    assert ServedPlace.objects.filter(product=product).count() == 2


@pytest.mark.django_db(transaction=True)
def test_control_without_locks_two_processes_add_up():
    product = queued_product(stock=100)
    start_sale(product)
    past = timezone.now() - timedelta(seconds=3)
    Queue.objects.filter(pk=product.pk).update(moved_at=past, turns_at=past)
    meeting = Meeting(2)

    def decide(*args):
        meeting.wait()
        return rate.decide(*args)

    free = Query([], lambda _: True)
    unlocked = moving._READ.replace("FOR NO KEY UPDATE OF queue", "")
    with (
        mock.patch.object(moving.advisory_locks, "try_locking_query", return_value=free),
        mock.patch.object(moving, "_READ", unlocked),
        mock.patch.object(moving, "rate", mock.Mock(wraps=rate, decide=decide)),
    ):
        at_once(*times(2, lambda: moving.move(product.pk)))

    assert ServedPlace.objects.filter(product=product).count() == 3
