"""What staff and metrics are told of queues: how many wait, how fast they move, and never the seed."""

from datetime import timedelta

import pytest
from django.db.models import F

from catalog.models import Product
from checkout.tests.support.queues import join, let_queue_pass, queued_product, serve_up_to, start_sale
from checkout.waiting_room import figures
from checkout.waiting_room.counts import counter
from checkout.waiting_room.models import LateTickets, Queue
from checkout.waiting_room.queues import copies
from flashsale.tests.support.wire import traffic

pytestmark = pytest.mark.django_db


def pace(product, **known) -> None:
    """Let the last move have decided this."""
    controller = {"tickets_per_second": 2.0, "buyers_per_second": 1.0, "show_up": 0.5, "limited_by": "rate"}
    Queue.objects.filter(pk=product.pk).update(controller=controller | known)


def test_the_tickets_that_wait_are_those_of_the_draw_and_late_ones_beyond_the_place_that_is_served(api):
    product = queued_product(stock=5)
    join(api, product)
    Queue.objects.update(tickets=99)
    start_sale(product)
    assert Queue.objects.get().tickets == 100
    serve_up_to(product, 0.75)
    pace(product)

    drawn = figures.of_product(product.pk)

    assert (drawn.minted, drawn.waiting, drawn.served, drawn.wait_seconds) == (100, 25, 75, 12.5)
    assert (drawn.tickets_per_second, drawn.buyers_per_second, drawn.show_up) == (2.0, 1.0, 0.5)
    assert (drawn.limited_by, drawn.free_units, drawn.is_paused) == ("rate", 5, False)

    drawn_at = Queue.objects.get().drawn_at
    for seconds in (0, 10):
        began_at = drawn_at + timedelta(seconds=seconds)
        LateTickets.objects.create(product=product, began_at=began_at, tickets=40)
    Queue.objects.update(late_tickets=80)
    serve_up_to(product, 1.5)

    late = figures.of_product(product.pk)

    # Of the first second's tickets, half stand beyond 1.5.
    assert (late.minted, late.waiting, late.served) == (180, 60, 120)


def test_late_tickets_are_counted_for_good(api):
    product = queued_product()
    start_sale(product)

    for _ in range(3):
        join(api, product)
    let_queue_pass(product, seconds=600)
    let_queue_pass(product, seconds=600)

    assert (Queue.objects.get().late_tickets, LateTickets.objects.count()) == (3, 0)
    assert (figures.of_product(product.pk).minted, figures.of_product(product.pk).waiting) == (3, 0)


def test_a_queue_has_a_wait_only_while_tickets_are_admitted(api):
    product = queued_product()
    join(api, product)
    counter.store()
    assert figures.of_product(product.pk).wait_seconds is None

    start_sale(product)
    pace(product, tickets_per_second=0.0)
    serve_up_to(product, 0.0)

    assert figures.of_product(product.pk).wait_seconds is None


def test_a_queue_is_not_late_before_its_sale_and_late_when_it_is_not_moved(api):
    waiting, stuck = queued_product(), queued_product()
    for product in (waiting, stuck):
        join(api, product)
    start_sale(stuck)
    Queue.objects.filter(pk=stuck.pk).update(moved_at=F("moved_at") - timedelta(seconds=60))
    copies.reset()

    unmoved = {one.product_id: one.unmoved_seconds for one in figures.in_progress()}

    assert unmoved[waiting.pk] == 0
    assert 60 <= unmoved[stuck.pk] < 90


def test_queues_of_sales_that_are_over_and_products_without_one_are_left_out(api, product):
    hidden, over = queued_product(), queued_product()
    start_sale(over)
    Product.objects.filter(pk=hidden.pk).update(is_published=False)
    Product.objects.filter(pk=over.pk).update(sale_ends_at=F("sale_starts_at") + timedelta(microseconds=1))

    assert figures.in_progress() == []
    assert figures.of_product(product.pk) is None
    assert figures.of_product(over.pk) is not None
    assert figures.of_product(hidden.pk).minted == 0


def test_the_figures_of_all_queues_are_one_query_and_hold_no_seed(api):
    products = [queued_product() for _ in range(3)]
    for product in products:
        join(api, product)
    seeds = list(Queue.objects.values_list("seed", flat=True))

    with traffic() as sent:
        found = figures.in_progress()

    assert len(found) == 3
    assert sent.round_trips == 1
    assert len(seeds) == 3
    assert not any(seed in repr(one) for seed in seeds for one in found)
    assert ".seed," not in figures._IN_PROGRESS
