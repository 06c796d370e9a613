"""What is served never goes back, in no process, when the pace changes and processes fail."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkout.waiting_room.crowds import Crowd
from checkout.waiting_room.serving import COAST_SECONDS, COMMIT_SECONDS, LEAD_SECONDS, ServingLine

DRAWN_AT = datetime(2026, 1, 1, tzinfo=UTC)
# Places of a long sale are some thousand; doubles resolve microseconds of them.
NOISE = 1e-6
RATES = st.sampled_from([0.0, 0.001, 0.3, 0.7, 1.0, 1.5, 20.0, 3_000.0])
MOMENTS = st.integers(0, 100)


def later(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)


@st.composite
def moved_lines(draw) -> list[tuple[ServingLine, datetime]]:
    """A queue's lines in their order, each with the moment when it was committed."""
    first = ServingLine(
        drawn_at=DRAWN_AT, moved_at=DRAWN_AT, serving=0.0, rate=0.0, turns_at=DRAWN_AT, next_rate=draw(RATES)
    )
    lines = [(first, DRAWN_AT)]
    for _ in range(draw(st.integers(1, 6))):
        line = lines[-1][0]
        decided_at = later(line.turns_at, draw(st.sampled_from([0.0, 0.01, 0.3, 1.0, 7.0, 59.4, 60.0, 90.0])))
        if not line.may_turn_at(decided_at):
            continue
        written_at = later(decided_at, draw(st.sampled_from([0.0, 0.02, 0.4])))
        new = line.turning(decided_at=decided_at, turns_at=later(written_at, LEAD_SECONDS), next_rate=draw(RATES))
        lines.append((new, later(written_at, draw(st.sampled_from([0.0, COMMIT_SECONDS])))))
    return lines


@settings(max_examples=60, deadline=None)
@given(lines=moved_lines(), moments=st.lists(MOMENTS, min_size=1, max_size=10))
def test_a_line_never_goes_back(lines, moments):
    for line, _ in lines:
        shown = [line.at(later(line.moved_at, tenths / 10)) for tenths in sorted(moments)]

        assert shown == sorted(shown)


@settings(max_examples=60, deadline=None)
@given(lines=moved_lines(), tenths=MOMENTS)
def test_all_copies_in_use_show_the_same_place(lines, tenths):
    for (old, _), (new, committed_at) in itertools.pairwise(lines):
        # The copy was read when the new line was about to be seen.
        read_at = later(committed_at, -0.001)
        now = later(new.moved_at, tenths / 20)
        if now <= old.valid_until(read_at=read_at):
            assert old.at(now) == pytest.approx(new.at(now), abs=NOISE, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(lines=moved_lines())
def test_a_queue_stands_still_when_it_was_not_moved_for_long(lines):
    line, _ = lines[-1]
    end = later(line.turns_at, COAST_SECONDS)

    assert line.at(later(end, 3_600)) <= line.serving + line.rate * 2 + line.next_rate * COAST_SECONDS + NOISE
    assert line.at(end) <= line.at(later(end, 3_600)) <= line.newest_at(later(end, 3_600))


def test_control_a_move_to_the_straight_line_until_it_is_in_force_takes_places_back():
    old = ServingLine(
        drawn_at=DRAWN_AT, moved_at=later(DRAWN_AT, 9), serving=0.0, rate=0.0, turns_at=later(DRAWN_AT, 10),
        next_rate=20.0,
    )  # fmt: skip
    decided_at, turns_at = later(DRAWN_AT, 10), later(DRAWN_AT, 11)
    new = old.turning(decided_at=decided_at, turns_at=turns_at, next_rate=0.0)
    straight = replace(new, rate=old.at(turns_at) - old.at(decided_at))
    between = later(DRAWN_AT, 10.4)

    assert straight.at(between) < old.at(between) == new.at(between)


def test_control_a_copy_that_is_used_for_longer_is_beyond_the_others():
    old = ServingLine(
        drawn_at=DRAWN_AT, moved_at=DRAWN_AT, serving=0.0, rate=0.1, turns_at=later(DRAWN_AT, 1), next_rate=0.1
    )
    new = old.turning(decided_at=later(DRAWN_AT, 1.2), turns_at=later(DRAWN_AT, 2.2), next_rate=0.0)
    read_at = later(DRAWN_AT, 1.2)
    after = later(read_at, 1.5)

    assert old.at(after) > new.at(after)
    assert not after <= old.valid_until(read_at=read_at)


CROWDS = st.builds(
    lambda drawn, late, began: Crowd(
        drawn=drawn,
        late=[(second - began, tickets) for second, tickets in enumerate(late)],
        counted_seconds=float(len(late)),
    ),
    drawn=st.sampled_from([0, 1, 7, 200_000]),
    late=st.lists(st.sampled_from([0, 0, 1, 3, 5_000]), max_size=8),
    began=st.sampled_from([0.0, 0.25, 0.999]),
)


@settings(max_examples=60, deadline=None)
@given(crowd=CROWDS, place=st.floats(0, 10), tickets=st.floats(0.01, 1e6))
def test_a_place_after_so_many_tickets_has_so_many_before_it(crowd, place, tickets):
    reached = crowd.place_after(place, tickets)

    there = crowd.between(place, 1e9)
    assert reached >= place
    assert crowd.between(place, reached) == pytest.approx(min(tickets, there), rel=1e-6, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(crowd=CROWDS)
def test_every_ticket_of_a_crowd_stands_somewhere(crowd):
    assert crowd.between(0.0, 1e9) == pytest.approx(crowd.drawn + sum(tickets for _, tickets in crowd.late))
