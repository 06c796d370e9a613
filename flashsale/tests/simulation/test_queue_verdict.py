"""The verdict of a simulated sale with a queue: a good sale passes, and each promise that is broken is found."""

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from checkout.waiting_room import tickets
from checkout.waiting_room.refusals import TicketInvalid
from flashsale.simulation.waiting_room import draw_verdict, verdict
from flashsale.simulation.waiting_room.crowd import SHARES, kinds
from flashsale.simulation.waiting_room.draw_verdict import Draw
from flashsale.simulation.waiting_room.seen import Kind, Page, Seen, TicketSeen
from flashsale.simulation.waiting_room.shoppers import forgeries
from flashsale.simulation.waiting_room.verdict import HoldSeen

SEED = "5eed" * 16
STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
DRAW = Draw(SEED, STARTED)
PRODUCT = 7


def ticket_of(seconds: float, kind: Kind = Kind.BUYER) -> TicketSeen:
    """Return a ticket that was minted so many seconds after the start."""
    minted_at = STARTED + timedelta(seconds=seconds)
    ticket = tickets.mint(product_id=PRODUCT, customer_id="", is_drawn=seconds > 0, now=minted_at)
    return TicketSeen(tickets.signed(ticket), kind)


def page_at(seconds: float, **changed) -> Page:
    """Return the page as it is so many seconds after the start: a tenth is served each second."""
    known = {
        "state": "serving" if seconds >= 0 else "open",
        "serving": max(0.0, seconds / 10),
        "seed_hash": hashlib.sha256(SEED.encode()).hexdigest(),
        "seed": SEED if seconds >= 0 else None,
        "may_return": True,
        "server_time": STARTED + timedelta(seconds=seconds),
        "poll_in_seconds": 2.0,
    }
    return Page(**known | changed)


def hold_of(ticket: TicketSeen, *, late_by: float = 0.5, status: str = "active") -> HoldSeen:
    """Return a hold that was placed so many seconds after its ticket was served."""
    return HoldSeen(ticket.id, status, STARTED + timedelta(seconds=10 * DRAW.place_of(ticket) + late_by))


@pytest.fixture
def seen():
    """A good sale: tickets from before the start and after it, half of them asked for their places."""
    seen = Seen()
    for number in range(200):
        ticket = ticket_of(-300 + number)
        seen.tickets[ticket.text] = ticket
        if number % 2:
            seen.places[ticket.text].add(DRAW.place_of(ticket))
    late = ticket_of(5.25)
    seen.tickets[late.text] = late
    seen.places[late.text].add(6.25)
    seen.pages = [page_at(seconds) for seconds in range(-20, 100, 2)]
    return seen


def test_a_good_draw_keeps_every_promise(seen):
    assert draw_verdict.broken_promises(DRAW, seen) == []
    assert len(DRAW.drawn(seen)) == 200


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"seconds": -2, "seed": SEED}, "A page showed the seed before the draw"),
        ({"seconds": -2, "seed_hash": "0" * 64}, "A page showed a hash that is not that of the seed"),
        ({"seconds": 4, "seed_hash": "0" * 64}, "A page showed a hash that is not that of the seed"),
        ({"seconds": 4, "seed": "f" * 64}, "Pages showed different seeds"),
    ],
)
def test_a_seed_that_was_known_before_or_changed_is_found(seen, changed, found):
    seen.pages.append(page_at(**changed))

    assert draw_verdict.broken_promises(DRAW, seen) == [found]


def test_a_hash_that_no_page_showed_before_the_draw_is_found(seen):
    seen.pages = [page_at(seconds) for seconds in range(10)]

    assert draw_verdict.broken_promises(DRAW, seen) == ["No page showed the seed's hash before the draw"]


def test_a_place_that_does_not_follow_from_the_seed_or_changed_is_found(seen):
    drawn, *_, late = seen.tickets
    seen.places[drawn].add(0.5)
    seen.places[late].add(6.26)

    assert draw_verdict.broken_promises(DRAW, seen) == ["2 places are not those that the seed gives"]


def test_holds_beyond_what_is_served_or_without_a_minted_ticket_are_found(seen):
    several = list(seen.tickets.values())[:20]
    last = max(several, key=DRAW.place_of)
    holds = [hold_of(ticket) for ticket in several]

    assert verdict.without_admission(DRAW, seen, holds) == []
    # A page each two seconds, and a second for caches: three seconds before its turn no page can have served it.
    early = [hold_of(last, late_by=-3.5)]
    assert verdict.without_admission(DRAW, seen, early) == ["1 holds were placed with tickets that were not served"]
    unknown = [HoldSeen(uuid4(), "active", STARTED)]
    assert verdict.without_admission(DRAW, seen, unknown) == ["1 holds were placed with tickets that were not minted"]


def test_a_ticket_with_two_holds_is_found(seen):
    ticket = next(iter(seen.tickets.values()))
    several = [hold_of(ticket, status=status) for status in ("released", "expired", "converted")]

    assert verdict.used_twice(several) == []
    assert "1 tickets have more than one hold" in verdict.used_twice([*several, hold_of(ticket)])[0]


def test_what_is_served_may_not_go_back(seen):
    assert verdict.went_back(seen.pages) == verdict.went_back(seen.pages[::-1]) == []

    # Clocks differ by milliseconds.
    seen.pages.append(page_at(30.01, serving=2.999))
    assert verdict.went_back(seen.pages) == []

    seen.pages.append(page_at(30.5, serving=2.9))

    assert "went back from 3.0 to 2.9" in verdict.went_back(seen.pages)[0]


def test_more_buyers_than_the_rate_admits_are_found():
    # 32 a second come for a minute, and a hundred more at once.
    steady = [number / 32 for number in range(60 * 32)]
    crowded = [*steady, *(30 + number / 1024 for number in range(100))]

    assert verdict.fastest(steady) == 320
    assert verdict.fastest([]) == 0
    assert verdict.too_fast(crowded, what="holds were placed", rate_max=32) == []
    [found] = verdict.too_fast(crowded, what="holds were placed", rate_max=20)
    assert found == "420 holds were placed in 10 s: 330 are allowed at 20 a second"


@pytest.mark.parametrize("shoppers", [1, 3, 100, 5_000])
def test_a_crowd_has_shoppers_of_each_kind_as_far_as_there_are_enough(shoppers):
    crowd = Counter(kinds(shoppers))

    assert crowd.total() == shoppers
    assert crowd[Kind.BUYER] > 0
    if shoppers >= 100:
        assert set(crowd) == set(Kind)
        assert crowd[Kind.ABSENTEE] == SHARES[Kind.ABSENTEE] * shoppers


def test_no_forgery_is_a_ticket():
    genuine = ticket_of(-10).text

    forged = forgeries(genuine)

    assert tickets.verified(genuine, product_id=PRODUCT)
    assert len(set(forged) - {genuine}) == 6
    for text in forged:
        with pytest.raises(TicketInvalid):
            tickets.verified(text, product_id=PRODUCT)
