"""The pace of admission: how many tickets a second are admitted, decided about once a second (a pure function).

Buyers wanted a second are the smallest of these bounds; `limited_by` names the one that holds:

| input | bound, buyers a second | why |
|---|---|---|
| `is_paused` | 0; what was learned and the pace are kept | after the pause the pace of before goes on |
| `rate_max` | as set; None: no bound | the shop's own limit; 0 admits none |
| `payments` | as told, but at least TRICKLE; None: no bound | in an outage a few come, so that its end is seen |
| `busy` | holds' capacity, between CAPACITY_FLOOR and CAPACITY_CEILING | halved on `busy`, growing while it is used |
| `available` | (UNDECIDED_PER_UNIT x available - undecided) / STOCK_SECONDS; 0: none | some give up their holds |

Tickets a second are the buyers wanted, divided by the claims that were seen for each ticket. Both sums decay with
HALF_LIFE_SECONDS, but are never forgotten below EVIDENCE_CLAIMS, so that a trickle keeps the estimate. A ticket counts
only when its buyer had time to come: it passes through three stages of STAGE_SECONDS on average, a little longer than
pages take to poll. An estimate that errs while the pace rises then errs to the careful side. What is still in the
stages, times the show-up, is "undecided".

| situation | what happens |
|---|---|
| no buyer had time to come | show-up 1: as many tickets as buyers are wanted |
| few come | the pace rises, at most by PACE_GROWTH a second, up to wanted / SHOW_UP_FLOOR |
| far more or far fewer come than expected | the past is forgotten with SURPRISED_HALF_LIFE_SECONDS |
| more come than were admitted (late ones return) | the pace falls, down to wanted / CLAIMS_PER_TICKET_CEILING |
| sold out or paused, without claims | teaches nothing: the shop refuses before it counts a claim |
| `busy`, first | capacity is halved, from what came if that is less: an unused capacity would only hide the cut |
| `busy`, again | no cut within CUT_SECONDS, while it falls, or (unless it is severe) while those admitted before come |
| a decision after a gap | growth counts GROWTH_SECONDS at most |

Halving and growing are TCP's congestion control (RFC 5681, section 3.1), but growth is by a share: sales are short.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

# Holds' capacity, in buyers a second.
INITIAL_CAPACITY = 100.0
CAPACITY_FLOOR, CAPACITY_CEILING = 1.0, 10_000.0
GROWTH = 1.1  # a second
USED_SHARE = 0.6  # of the capacity: claims lag a growing capacity by five seconds, and 1 / 1.1^5 = 0.62
CUT = 0.5
CUT_SECONDS = 2.0  # one storm of a second is one cut
TOLERATED_BUSY = 0.01  # of the claims: a lock time-out among hundreds of holds is no overload
COMING_SHARE = 1.25  # of the capacity: if more come, they were admitted before the last cut
SEVERE_BUSY = 2.0  # times the claims: most tries are refused, those that are made again included
RECENT_SECONDS = 2.0  # time constant of recent claims and of recent answers of `busy`

# Payments and stock.
TRICKLE = 0.2  # buyers a second
UNDECIDED_PER_UNIT = 3.0
STOCK_SECONDS = 3.0  # in which room for undecided buyers is filled: a decision takes effect a second or two later

# Show-up.
STAGE_SECONDS = 1.2
HALF_LIFE_SECONDS = 4.0
SURPRISED_HALF_LIFE_SECONDS = 1.0
SURPRISE_FACTOR = 2.0  # times more or fewer claims than expected, and
SURPRISE_DEVIATIONS = 4.0  # standard deviations of a Poisson distribution
EVIDENCE_CLAIMS = 20.0
PRIOR = 1.0  # tickets, taken to have come before the first
SHOW_UP_FLOOR = 0.02
CLAIMS_PER_TICKET_CEILING = 2.0

# Pace and time.
PACE_GROWTH = 2.0  # a second
GROWTH_SECONDS = 2.0  # of a gap
SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 60.0
MOST_SEEN = 1e8  # of anything that was seen, and of what is remembered: every product of them stays finite
MOST = MOST_SEEN / SHORTEST_SECONDS


class Limit(enum.StrEnum):
    """What bounds the pace of admission."""

    PAUSE = "pause"
    STOCK = "stock"
    RATE = "rate"
    PAYMENTS = "payments"
    HOLDS = "holds"


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What was seen since the last decision."""

    seconds: float  # since the last decision
    admitted: float  # tickets
    claims: int  # admitted tickets that came with a request for a hold, each counted once
    busy: int  # requests for holds that were answered `busy`
    available: int  # units that can be held now
    rate_max: float | None  # buyers a second; None: no limit
    payments: float | None  # buyers a second whose payments can be started, 0 in an outage; None: unknown
    is_paused: bool


@dataclass(frozen=True)
class State:
    """What the controller remembers from one decision to the next."""

    capacity: float = INITIAL_CAPACITY  # buyers a second that holds take
    since_cut: float = CUT_SECONDS  # seconds
    pace: float = 0.0  # tickets a second, as decided last outside a pause
    recent_claims: float = 0.0  # a second
    recent_busy: float = 0.0  # a second
    stage_1: float = 0.0  # tickets admitted just now
    stage_2: float = 0.0
    stage_3: float = 0.0
    seen_admitted: float = PRIOR  # decaying sums: tickets whose buyers had time to come, and those that came
    seen_claims: float = PRIOR

    @classmethod
    def initial(cls) -> "State":
        """Return the state before the first decision."""
        return cls()

    @classmethod
    def of(cls, members: Mapping[str, float]) -> "State":
        """Return a stored state; a member that is missing, unknown or no sensible number has its initial value."""
        stored = {field.name: members.get(field.name) for field in fields(cls)}
        sane = {name: value for name, value in stored.items() if isinstance(value, (int, float)) and 0 <= value <= MOST}
        return cls(**{name: float(value) for name, value in sane.items()})

    def members(self) -> dict[str, float]:
        """Return the state as it is stored in JSON."""
        return asdict(self)

    @property
    def claims_per_ticket(self) -> float:
        """Return the estimate that divides the pace; above 1 while more come than are admitted."""
        ratio = self.seen_claims / self.seen_admitted if self.seen_admitted > 0 else 1.0
        return min(max(ratio, SHOW_UP_FLOOR), CLAIMS_PER_TICKET_CEILING)

    @property
    def show_up(self) -> float:
        """Return the share of admitted tickets that come, in (0, 1]."""
        return min(1.0, self.claims_per_ticket)

    @property
    def undecided(self) -> float:
        """Return how many admitted buyers are expected to come still."""
        return self.show_up * (self.stage_1 + self.stage_2 + self.stage_3)


@dataclass(frozen=True)
class Decision:
    """The pace until the next decision."""

    state: State
    tickets_per_second: float  # absentees included
    buyers_per_second: float  # expected to come
    show_up: float  # share of admitted tickets that come, in (0, 1]
    limited_by: Limit


def decide(state: State, observed: Observed) -> Decision:
    """Return the pace of admission for the next second, from the state of the last decision and what was seen since."""
    observed = _bounded(observed)
    state = _learned(_with_capacity(state, observed), observed)
    buyers, limit = _wanted(state, observed)
    if observed.is_paused:
        return Decision(state, 0.0, 0.0, state.show_up, limit)
    # As many tickets as buyers are wanted are never too many; above that the pace grows step by step.
    growth = PACE_GROWTH ** min(observed.seconds, GROWTH_SECONDS)
    pace = min(buyers / state.claims_per_ticket, max(buyers, state.pace * growth))
    return Decision(replace(state, pace=pace), pace, min(buyers, pace * state.show_up), state.show_up, limit)


def _wanted(state: State, observed: Observed) -> tuple[float, Limit]:
    """Return the smallest bound on buyers a second and its name."""
    if observed.is_paused:
        return 0.0, Limit.PAUSE
    room = UNDECIDED_PER_UNIT * observed.available - state.undecided
    bounds = [(max(0.0, room / STOCK_SECONDS) if observed.available else 0.0, Limit.STOCK)]
    if observed.rate_max is not None:
        bounds.append((observed.rate_max, Limit.RATE))
    if observed.payments is not None:
        bounds.append((max(observed.payments, TRICKLE), Limit.PAYMENTS))
    bounds.append((state.capacity, Limit.HOLDS))
    return min(bounds, key=lambda bound: bound[0])


def _with_capacity(state: State, observed: Observed) -> State:
    """Return the state with holds' capacity cut on `busy`, or grown while it is used."""
    passed = min(1.0, observed.seconds / RECENT_SECONDS)
    recent = state.recent_claims + passed * (observed.claims / observed.seconds - state.recent_claims)
    busy = observed.busy / observed.seconds
    recent_busy = state.recent_busy + passed * (busy - state.recent_busy)
    capacity, since_cut = state.capacity, min(state.since_cut + observed.seconds, LONGEST_SECONDS)
    if observed.busy > TOLERATED_BUSY * observed.claims:
        came_after_cut = recent <= COMING_SHARE * capacity or busy > SEVERE_BUSY * recent
        if since_cut >= CUT_SECONDS and busy >= state.recent_busy and came_after_cut:
            capacity, since_cut = CUT * min(capacity, recent), 0.0
    elif recent >= USED_SHARE * capacity:
        capacity *= GROWTH ** min(observed.seconds, GROWTH_SECONDS)
    capacity = min(max(capacity, CAPACITY_FLOOR), CAPACITY_CEILING)
    return replace(state, capacity=capacity, since_cut=since_cut, recent_claims=recent, recent_busy=recent_busy)


def _learned(state: State, observed: Observed) -> State:
    """Return the state after the time that passed: tickets move on in the stages, and claims are compared with them."""
    if observed.is_paused and not observed.claims and not observed.admitted:
        return state
    steps = math.ceil(observed.seconds)
    passed = observed.seconds / steps / STAGE_SECONDS
    stages = [state.stage_1, state.stage_2, state.stage_3]
    ripe = 0.0
    for _ in range(steps):
        moved = [passed * tickets for tickets in stages]
        entering = [observed.admitted / steps, *moved[:-1]]
        stages = [min(here + new - gone, MOST) for here, new, gone in zip(stages, entering, moved, strict=True)]
        ripe += moved[-1]
    state = replace(state, stage_1=stages[0], stage_2=stages[1], stage_3=stages[2])
    return _with_evidence(state, observed, ripe) if observed.available or observed.claims else state


def _with_evidence(state: State, observed: Observed, ripe: float) -> State:
    """Return the state after `ripe` tickets, whose buyers had time to come, and the claims that were seen."""
    expected = state.claims_per_ticket * ripe
    spread = SURPRISE_DEVIATIONS * math.sqrt(expected + 1)
    fewest = min(expected / SURPRISE_FACTOR, expected - spread)
    most = max(expected * SURPRISE_FACTOR, expected + spread)
    half_life = HALF_LIFE_SECONDS if fewest <= observed.claims <= most else SURPRISED_HALF_LIFE_SECONDS
    kept = 0.5 ** (observed.seconds / half_life)
    if state.seen_claims > 0:
        kept = max(kept, min(1.0, EVIDENCE_CLAIMS / state.seen_claims))
    admitted = kept * state.seen_admitted + ripe
    claims = kept * state.seen_claims + observed.claims
    claims = min(max(claims, SHOW_UP_FLOOR * admitted), CLAIMS_PER_TICKET_CEILING * admitted)
    return replace(state, seen_admitted=min(admitted, MOST), seen_claims=min(claims, MOST))


def _sane(value: float) -> float:
    """Return a number between 0 and MOST_SEEN; NaN, which is not above 0, is 0."""
    return min(max(0.0, value), MOST_SEEN)


def _bounded(observed: Observed) -> Observed:
    """Return what was seen, with every number finite, not negative, and a time that divides."""
    return replace(
        observed,
        seconds=min(max(_sane(observed.seconds), SHORTEST_SECONDS), LONGEST_SECONDS),
        admitted=_sane(observed.admitted),
        claims=int(_sane(observed.claims)),
        busy=int(_sane(observed.busy)),
        available=int(_sane(observed.available)),
        rate_max=None if observed.rate_max is None else _sane(observed.rate_max),
        payments=None if observed.payments is None else _sane(observed.payments),
    )
