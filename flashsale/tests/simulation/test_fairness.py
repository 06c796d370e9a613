"""The draw is fair, and a draw that is not would be found."""

import random
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from checkout.tests.support.queues import queued_product, start_sale
from checkout.waiting_room import moving, places, queues, tickets
from flashsale.simulation.waiting_room.draw_verdict import Fairness
from flashsale.simulation.waiting_room.fairness import p_of_same, p_of_uniform, recomputed_place

TICKETS = 10_000
# So often does a test of a fair draw fail: one time in a million.
ALPHA = 1e-6
FIRST_DIGITS = "67af98d8597bf"
EVENLY = [(number + 0.5) / 1_000 for number in range(1_000)]


def test_the_distance_of_kolmogorov_and_smirnov_has_the_known_probabilities():
    # Stephens's table: the upper 5 % begin at 1.358 (sqrt(n) + 0.12 + 0.11 / sqrt(n)) / n away, the upper 1 % at 1.628.
    for size in (100, 10_000):
        for scaled, p in ((1.358, 0.05), (1.628, 0.01)):
            distance = scaled / (size**0.5 + 0.12 + 0.11 / size**0.5)
            # No place is below `distance`, and the others are evenly spread: the greatest difference is there.
            moved = [distance + (1 - distance) * number / size for number in range(size)]
            assert p_of_uniform(moved) == pytest.approx(p, rel=0.01)

    assert p_of_uniform(EVENLY) == p_of_same(EVENLY, EVENLY) == p_of_uniform([]) == p_of_same([], EVENLY) == 1.0
    assert p_of_uniform([0.5] * 20) < 0.001


@pytest.mark.parametrize(
    "biased",
    [
        [place**1.3 for place in EVENLY],
        [0.2 + 0.8 * place for place in EVENLY],
        [round(5 * place) / 5 for place in EVENLY],
        [min(place, 0.9) for place in EVENLY],
    ],
    ids=["towards the front", "no place in the first fifth", "few places", "no place in the last tenth"],
)
def test_places_that_are_not_uniform_are_found(biased):
    assert p_of_uniform(biased) < 0.0003
    assert p_of_same(biased, EVENLY) < 0.0003 or len(set(biased)) < 20


def test_a_fair_generator_is_hardly_ever_refused():
    chance = random.Random(15)
    draws = [[chance.random() for _ in range(200)] for _ in range(300)]

    found = [p_of_uniform(draw) for draw in draws] + [p_of_same(draw[:80], draw[80:]) for draw in draws]

    # Of 600 probabilities of fair draws about 60 are below a tenth.
    assert 30 <= sum(p < 0.1 for p in found) <= 90
    assert min(found) > ALPHA


@pytest.fixture
def seed(db):
    """A seed as the shop draws it."""
    product = queued_product()
    moving.move(product.pk)
    start_sale(product)
    return queues.read(product.pk).seed


@pytest.fixture
def minted():
    """Ten thousand tickets, in the order in which they were minted within an hour; the first hundred are a bot's."""
    opened = timezone.now() - timedelta(hours=2)
    return [
        tickets.mint(product_id=1, customer_id="", is_drawn=False, now=opened + timedelta(seconds=0.36 * number))
        for number in range(TICKETS)
    ]


def test_ten_thousand_places_are_uniform_and_independent_of_the_time_of_arrival(seed, minted):
    drawn_at = timezone.now()
    drawn = [places.place_of(ticket, seed=seed, drawn_at=drawn_at) for ticket in minted]

    fairness = Fairness.of(drawn, of_bots=[number < 100 for number in range(TICKETS)])

    assert min(fairness.uniform, fairness.arrival, fairness.bots) > ALPHA
    # Each minute of arrival, each customer and each other seed is as good as any other.
    by_minute = [drawn[start : start + 167] for start in range(0, TICKETS, 167)]
    assert min(p_of_uniform(places_of_minute) for places_of_minute in by_minute) > ALPHA
    customers = [places.drawn_place(seed, f"customer {number}") for number in range(TICKETS)]
    assert p_of_uniform(customers) > ALPHA
    again = [places.drawn_place("0" * 64, ticket.id) for ticket in minted]
    assert p_of_uniform([(one - other) % 1 for one, other in zip(drawn, again, strict=True)]) > ALPHA
    assert drawn[:1_000] == [recomputed_place(seed, ticket.id) for ticket in minted[:1_000]]
    assert len(set(drawn)) == TICKETS


def test_the_control_a_draw_by_arrival_or_by_kind_of_shopper_is_found(seed, minted):
    of_bots = [number % 100 == 0 for number in range(TICKETS)]
    drawn = [recomputed_place(seed, ticket.id) for ticket in minted]
    first_come = [number / TICKETS for number in range(TICKETS)]
    # A tenth of its place is the ticket's time of arrival.
    a_little = [0.9 * place + 0.1 * number / TICKETS for number, place in enumerate(drawn)]
    bots_first = [place**3 if is_bot else place for place, is_bot in zip(drawn, of_bots, strict=True)]

    assert Fairness.of(first_come, of_bots=of_bots).broken()[0].startswith("Places depend on the time of arrival")
    assert any("time of arrival" in sentence for sentence in Fairness.of(a_little, of_bots=of_bots).broken())
    assert any("Bots" in sentence for sentence in Fairness.of(bots_first, of_bots=of_bots).broken())


def test_a_recomputed_place_follows_the_documented_rule():
    # HMAC-SHA256 of 32 zeros, keyed with 64 zeros, begins so (computed with `openssl dgst -sha256 -hmac`).
    assert recomputed_place("0" * 64, UUID(int=0).hex) == int(FIRST_DIGITS, 16) / 2**52
