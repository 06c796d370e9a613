"""A crowd with tickets, absentees among them, and a shop that takes so many claims a second, simulated."""

import random
from collections import defaultdict
from dataclasses import dataclass, field

from checkout.waiting_room import rate

# Share of the buyers who come in the n-th second after the one in which they were admitted: pages poll every 2 to 5 s.
DELAYS = {2: 1 / 6, 3: 1 / 3, 4: 1 / 3, 5: 1 / 6}
PLENTY = 10**9
GIVEN_UP, GIVEN_UP_SECONDS = 0.1, 30
EXPIRED, EXPIRED_SECONDS = 0.1, 120


@dataclass
class Second:
    """What happened in a simulated second."""

    claims: int
    busy: int
    served: int
    available: int
    decision: rate.Decision


@dataclass
class Sale:
    """A simulated sale: its settings may be changed between two runs of `run`."""

    absent: float = 0.0  # share of the tickets whose buyers never come
    takes: int = 10**6  # claims a second that the shop serves; those above are answered `busy`
    stock: int = PLENTY
    rate_max: float | None = None
    payments: float | None = None
    is_paused: bool = False
    show_up: float | None = None  # the control: an estimate that never learns
    seed: int = 1
    seconds: list[Second] = field(default_factory=list)

    def __post_init__(self):
        self._random = random.Random(self.seed)
        self._coming = defaultdict(int)  # buyers by the second in which they come
        self._trying_again = defaultdict(int)
        self._returning = defaultdict(int)  # units by the second in which they can be held again
        self._state = rate.State.initial()
        self._admitted = self._owed = 0.0
        self._pace = self._next_pace = 0.0

    def run(self, seconds: int) -> list[Second]:
        """Let so many seconds pass, and return them."""
        for _ in range(seconds):
            self._pass_a_second()
        return self.seconds[-seconds:]

    def come_late(self, buyers: int, within: int) -> None:
        """Let buyers who were admitted long ago come within the next seconds."""
        for second in range(within):
            self._coming[len(self.seconds) + second] += buyers // within

    def _pass_a_second(self):
        now = len(self.seconds)
        self.stock += self._returning.pop(now, 0)
        self._admit(now)
        claims, busy, served = self._sell(now)
        decision = self._decide(claims, busy)
        # A move is valid a second later than it is decided.
        self._pace, self._next_pace = self._next_pace, decision.tickets_per_second
        self.seconds.append(Second(claims, busy, served, self.stock, decision))

    def _admit(self, now):
        self._owed += 0.0 if self.is_paused else self._pace
        self._admitted = int(self._owed)
        self._owed -= self._admitted
        self._look_later(self._some(self._admitted, 1 - self.absent), now)

    def _look_later(self, buyers, now):
        left = 1.0
        for delay, share in DELAYS.items():
            come = self._some(buyers, min(1.0, share / left))
            self._coming[now + delay] += come
            buyers, left = buyers - come, left - share

    def _sell(self, now):
        """Return claims, answers of `busy`, and holds that were placed."""
        claims = self._coming.pop(now, 0)
        present = claims + self._trying_again.pop(now, 0)
        if self.is_paused or not self.stock:
            # Refused before they are counted. In a pause their pages look again; sold out, they leave.
            self._look_later(present if self.is_paused else 0, now)
            return 0, 0, 0
        served = min(present, self.takes)
        for delay in (1, 2, 3):
            self._trying_again[now + delay] += (present - served + 3 - delay) // 3
        held = min(served, self.stock)
        self.stock -= held
        self._returning[now + GIVEN_UP_SECONDS] += self._some(held, GIVEN_UP)
        self._returning[now + EXPIRED_SECONDS] += self._some(held, EXPIRED)
        return claims, present - served, held

    def _decide(self, claims, busy):
        observed = rate.Observed(
            seconds=1.0, admitted=self._admitted, claims=claims, busy=busy, available=self.stock,
            rate_max=self.rate_max, payments=self.payments, is_paused=self.is_paused,
        )  # fmt: skip
        if self.show_up is not None:
            self._state = rate.replace(self._state, seen_admitted=1e8, seen_claims=1e8 * self.show_up)
        decision = rate.decide(self._state, observed)
        self._state = decision.state
        return decision

    def _some(self, count: int, share: float) -> int:
        """Return how many of `count` are of a share: binomial, by its normal approximation where the count is large."""
        if count < 30:
            return sum(self._random.random() < share for _ in range(count))
        drawn = self._random.gauss(count * share, (count * share * (1 - share)) ** 0.5)
        return min(count, max(0, round(drawn)))
