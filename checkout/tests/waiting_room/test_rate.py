"""The pace of admission, against a simulated crowd: hours of a sale in a fraction of a second."""

import dataclasses
import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkout.tests.waiting_room.simulated_crowd import Sale
from checkout.waiting_room import rate

HOUR = 3600
# Decided in the first second, valid in the third: the first tickets are admitted then.
FIRST_ADMITTED = 2


def claims(seconds, start=0, end=None):
    """Return the claims a second, on average."""
    part = seconds[start:end]
    return sum(second.claims for second in part) / len(part)


def averages(seconds, length, start=0, end=None):
    """Return the claims a second of each period of so many seconds."""
    end = len(seconds) if end is None else end
    return [claims(seconds, at, at + length) for at in range(start, end - length + 1)]


def seen(**changes):
    """Return a quiet second of a sale with plenty of stock."""
    quiet = rate.Observed(
        seconds=1.0, admitted=0.0, claims=0, busy=0, available=1000, rate_max=None, payments=None, is_paused=False
    )
    return dataclasses.replace(quiet, **changes)


@pytest.mark.parametrize("absent", [0.0, 0.2, 0.5, 0.8, 0.95])
def test_the_wanted_rate_is_held_for_an_hour_whatever_the_share_of_absentees(absent):
    seconds = Sale(absent=absent, rate_max=25).run(HOUR)

    held = averages(seconds, 10, start=60)
    within_bounds = sum(25 * 0.8 <= average <= 25 * 1.2 for average in held) / len(held)
    assert claims(seconds, 60) == pytest.approx(25, rel=0.02)
    assert within_bounds >= 0.95
    assert min(held) >= 25 * 0.65
    assert max(held) <= 25 * 1.35
    assert seconds[-1].decision.show_up == pytest.approx(1 - absent, rel=0.25)


@pytest.mark.parametrize("absent", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(5))
def test_the_wanted_rate_is_reached_within_ten_seconds_of_the_first_ticket(absent, seed):
    seconds = Sale(absent=absent, rate_max=25, seed=seed).run(60)

    assert 25 * 0.7 <= claims(seconds, FIRST_ADMITTED + 10, FIRST_ADMITTED + 20) <= 25 * 1.3
    assert max(averages(seconds, 10)) <= 25 * 1.3


@pytest.mark.parametrize("seed", range(5))
def test_the_wanted_rate_is_reached_within_fifteen_seconds_with_nineteen_absentees_for_each_buyer(seed):
    seconds = Sale(absent=0.95, rate_max=25, seed=seed).run(60)

    assert 25 * 0.7 <= claims(seconds, FIRST_ADMITTED + 15, FIRST_ADMITTED + 25) <= 25 * 1.3
    assert max(averages(seconds, 10)) <= 25 * 1.3


@pytest.mark.parametrize("absent", [0.5, 0.8, 0.95])
def test_without_learning_absentees_leave_the_rate_unused(absent):
    """The control: the crowd and the shop are the same, and the show-up stays 1."""
    seconds = Sale(absent=absent, rate_max=25, show_up=1.0).run(600)

    assert claims(seconds, 60) == pytest.approx(25 * (1 - absent), rel=0.05)


def test_the_pace_does_not_rise_before_a_buyer_had_time_to_come():
    seconds = Sale(absent=0.95, rate_max=25).run(20)

    paces = [second.decision.tickets_per_second for second in seconds]
    assert max(paces[: FIRST_ADMITTED + 3]) <= 25
    assert all(after <= 2 * max(before, 25) for before, after in itertools.pairwise(paces))


@pytest.mark.parametrize("absent", [0.0, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("seed", range(3))
def test_a_capacity_that_halves_is_followed_within_five_seconds(absent, seed):
    sale = Sale(absent=absent, takes=110, rate_max=100, seed=seed)
    before = sale.run(200)
    sale.takes = 50

    after = sale.run(200)

    assert claims(before, 100) >= 85
    assert max(averages(after, 5, start=5, end=15)) <= 50 * 1.3
    assert max(averages(after, 5, start=15)) <= 50 * 1.6  # the growth that finds the limit again
    assert sum(second.served for second in after[30:]) / 170 >= 50 * 0.7
    assert sum(second.busy > 0 for second in after[30:]) / 170 <= 0.5


@pytest.mark.parametrize("absent", [0.0, 0.8])
@pytest.mark.parametrize("seed", range(3))
def test_a_capacity_that_doubles_is_used_within_twenty_seconds(absent, seed):
    sale = Sale(absent=absent, takes=50, seed=seed)
    sale.run(200)
    sale.takes = 100

    after = sale.run(300)

    assert max(averages(after, 3, end=23)) >= 85
    assert sum(second.served for second in after[30:]) / 270 >= 100 * 0.7


def test_a_capacity_that_falls_to_a_tenth_is_followed_and_the_tries_that_wait_are_served():
    sale = Sale(absent=0.8, takes=100)
    sale.run(200)
    sale.takes = 10

    after = sale.run(300)

    assert max(averages(after, 5, start=10)) <= 10 * 1.8
    assert sum(second.busy for second in after[150:]) <= sum(second.busy for second in after[:150]) * 0.05
    assert sum(second.served for second in after) / 300 >= 10 * 0.7


def test_a_capacity_that_another_bound_leaves_unused_does_not_grow():
    seconds = Sale(rate_max=25).run(600)

    assert seconds[-1].decision.state.capacity == rate.INITIAL_CAPACITY
    assert {second.decision.limited_by for second in seconds} == {rate.Limit.RATE}


def test_an_unlimited_shop_is_used_up_to_the_ceiling():
    seconds = Sale(absent=0.5).run(180)

    assert seconds[-1].decision.state.capacity == rate.CAPACITY_CEILING
    assert claims(seconds, 170) == pytest.approx(rate.CAPACITY_CEILING, rel=0.1)


@pytest.mark.parametrize("absent", [0.0, 0.8, 0.95])
def test_in_an_outage_of_payments_a_trickle_comes_and_ten_seconds_after_it_the_wanted_rate(absent):
    sale = Sale(absent=absent, rate_max=25)
    sale.run(120)
    sale.payments = 0.0

    outage = sale.run(300)
    sale.payments = 40.0
    after = sale.run(60)

    assert {second.decision.limited_by for second in outage} == {rate.Limit.PAYMENTS}
    assert 0 < claims(outage, 15) <= rate.TRICKLE * 2
    assert 25 * 0.7 <= claims(after, 10, 20) <= 25 * 1.3
    assert max(averages(after, 10)) <= 25 * 1.35


@pytest.mark.parametrize("absent", [0.0, 0.8, 0.95])
def test_after_a_pause_the_pace_of_before_goes_on(absent):
    sale = Sale(absent=absent, rate_max=25)
    before = sale.run(120)[-1].decision
    sale.is_paused = True

    pause = sale.run(300)
    sale.is_paused = False
    after = sale.run(60)

    assert all(second.decision.tickets_per_second == 0 for second in pause)
    assert pause[-1].decision.show_up == pytest.approx(before.show_up, rel=0.3)
    assert after[0].decision.tickets_per_second == pytest.approx(before.tickets_per_second, rel=0.3)
    assert all(25 * 0.5 <= average <= 25 * 1.4 for average in averages(after, 10))


@pytest.mark.parametrize("absent", [0.0, 0.8, 0.95])
def test_the_undecided_are_a_few_for_each_unit_and_units_that_come_back_are_offered_at_once(absent):
    sale = Sale(absent=absent, rate_max=25, stock=500)

    seconds = sale.run(900)
    sale.stock += 4
    back = sale.run(12)

    for second in seconds:
        decision = second.decision
        room = max(0.0, rate.UNDECIDED_PER_UNIT * second.available - decision.state.undecided)
        assert decision.buyers_per_second <= room / rate.STOCK_SECONDS + 1e-6
        assert second.available or decision.tickets_per_second == 0
    assert back[0].decision.tickets_per_second >= 1
    assert back[0].decision.limited_by == rate.Limit.STOCK


def test_every_unit_that_comes_back_is_held_again():
    seconds = Sale(absent=0.8, rate_max=25, stock=500).run(HOUR)

    assert sum(second.available for second in seconds[-60:]) / 60 <= 2
    assert sum(second.served for second in seconds) >= 500 * 1.15


def test_a_crowd_that_suddenly_comes_is_followed_within_seconds():
    sale = Sale(absent=0.95, rate_max=25)
    sale.run(120)
    sale.absent = 0.0

    burst = sale.run(60)

    # Four seconds until the first come, and the tickets that were admitted until then come too.
    assert burst[6].decision.tickets_per_second <= 25 * 4
    assert max(averages(burst, 10, start=12)) <= 25 * 1.5
    assert max(averages(burst, 10, start=30)) <= 25 * 1.3


@pytest.mark.parametrize("absent", [0.0, 0.8, 0.95])
def test_a_crowd_that_returns_late_slows_the_pace_and_leaves_no_trace(absent):
    sale = Sale(absent=absent, rate_max=25)
    before = sale.run(120)[-1].decision
    sale.come_late(2000, within=10)

    after = sale.run(80)

    assert after[4].decision.tickets_per_second <= before.tickets_per_second * 0.6
    assert 25 * 0.7 <= claims(after, 40, 60) <= 25 * 1.3
    assert max(averages(after, 10, start=12)) <= 25 * 1.3


def test_pages_that_poll_slowly_get_a_burst_and_no_runaway(monkeypatch):
    monkeypatch.setattr("checkout.tests.waiting_room.simulated_crowd.DELAYS", {5: 0.25, 6: 0.25, 7: 0.25, 8: 0.25})

    seconds = Sale(rate_max=25).run(300)

    assert max(averages(seconds, 10)) <= 25 * 3
    assert max(averages(seconds, 10, start=40)) <= 25 * 1.3


@pytest.mark.parametrize(("changes", "limit", "buyers"), [
    ({}, "holds", 100.0),
    ({"rate_max": 25.0, "payments": 30.0}, "rate", 25.0),
    ({"rate_max": 0.0}, "rate", 0.0),
    ({"rate_max": 40.0, "payments": 30.0}, "payments", 30.0),
    ({"payments": 0.0}, "payments", rate.TRICKLE),
    ({"rate_max": 0.1, "payments": 0.0}, "rate", 0.1),
    ({"available": 10}, "stock", 10.0),
    ({"available": 0, "rate_max": 0.0}, "stock", 0.0),
    ({"available": 0, "is_paused": True}, "pause", 0.0),
])  # fmt: skip
def test_the_smallest_bound_is_named(changes, limit, buyers):
    decision = rate.decide(rate.State.initial(), seen(**changes))

    assert (decision.limited_by, decision.buyers_per_second) == (limit, pytest.approx(buyers))
    assert decision.tickets_per_second == pytest.approx(buyers)


def test_a_storm_of_a_second_is_one_cut():
    state = rate.State(recent_claims=100.0)
    for busy in (250, 300, 0):
        state = rate.decide(state, seen(claims=100, busy=busy)).state

    assert state.capacity == pytest.approx(50 * rate.GROWTH)


def test_one_lock_timeout_among_hundreds_of_holds_is_no_overload():
    decision = rate.decide(rate.State(recent_claims=500.0, capacity=500.0), seen(claims=500, busy=2))

    assert decision.state.capacity > 500


def test_a_decision_after_a_minute_does_not_explode():
    settled = Sale(absent=0.8, rate_max=25).run(120)[-1].decision

    decision = rate.decide(
        settled.state, seen(seconds=60.0, admitted=60 * settled.tickets_per_second, claims=1500, rate_max=25.0)
    )

    assert decision.tickets_per_second == pytest.approx(settled.tickets_per_second, rel=0.3)


def test_after_a_minute_without_decisions_the_pace_rises_by_two_seconds_growth():
    state = rate.State(pace=30.0, seen_admitted=1000.0, seen_claims=20.0)

    decision = rate.decide(state, seen(seconds=60.0, rate_max=25.0))

    assert decision.tickets_per_second == 30 * rate.PACE_GROWTH**2


def test_quiet_minutes_do_not_let_one_claim_decide_the_show_up():
    state = rate.State(seen_admitted=500.0, seen_claims=100.0)
    for _ in range(300):
        state = rate.decide(state, seen()).state

    decision = rate.decide(state, seen(claims=1, rate_max=25.0))

    assert decision.show_up == pytest.approx(0.2, rel=0.35)


def test_sold_out_claims_that_do_not_come_teach_nothing():
    settled = Sale(rate_max=25).run(120)[-1].decision
    state = settled.state

    for _ in range(20):
        state = rate.decide(state, seen(available=0, rate_max=25.0)).state

    assert state.show_up == settled.show_up
    assert state.undecided < 1


@pytest.mark.parametrize("interval", [0.5, 2.0])
def test_decisions_at_other_intervals_hold_the_same_show_up(interval):
    state = rate.State.initial()
    for _ in range(200):
        decision = rate.decide(
            state, seen(seconds=interval, admitted=100 * interval, claims=int(20 * interval), rate_max=20.0)
        )
        state = decision.state

    assert decision.show_up == pytest.approx(0.2, rel=0.05)
    assert state.undecided == pytest.approx(20 * 3 * rate.STAGE_SECONDS, rel=0.05)


NUMBERS = st.floats() | st.sampled_from([0.0, 1.0, 1e300, -1.0])
COUNTS = st.integers(-(10**400), 10**400) | st.integers(0, 1000)
SEEN = st.builds(
    rate.Observed, seconds=NUMBERS, admitted=NUMBERS, claims=COUNTS, busy=COUNTS, available=COUNTS,
    rate_max=st.none() | NUMBERS, payments=st.none() | NUMBERS, is_paused=st.booleans(),
)  # fmt: skip
STORED = st.dictionaries(
    st.sampled_from([*rate.State.initial().members(), "of_another_version"]),
    NUMBERS | st.none() | st.text(max_size=3) | st.integers(-(10**400), 10**400),
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(stored=STORED, observations=st.lists(SEEN, min_size=1, max_size=5))
def test_every_number_stays_finite_and_the_state_survives_storing(stored, observations):
    state = rate.State.of(stored)
    for observed in observations:
        decision = rate.decide(state, observed)

        state = rate.State.of(json.loads(json.dumps(decision.state.members())))
        assert state == decision.state
        pace = [decision.tickets_per_second, decision.buyers_per_second]
        for number in [*pace, *state.members().values()]:
            assert math.isfinite(number)
            assert number >= 0
        assert 0 < decision.show_up <= 1
        assert decision.tickets_per_second <= rate.CAPACITY_CEILING / rate.SHOW_UP_FLOOR


def test_a_stored_state_of_another_version_keeps_what_is_known():
    state = rate.State.of({"capacity": 40.0, "pace": math.nan, "stage_1": -1.0, "unknown": 3.0, "seen_claims": None})

    assert state == dataclasses.replace(rate.State.initial(), capacity=40.0)
