"""The checks of a draw: the seed was fixed before it, each place follows from it, and no arrival time helped."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashsale.simulation.waiting_room.fairness import p_of_same, p_of_uniform, recomputed_place
from flashsale.simulation.waiting_room.seen import Kind, Page, Seen, TicketSeen

# A fair draw fails one time in 1,000: each of the three comparisons has a third of that.
ALPHA = 0.001
COMPARISONS = 3
# By how much web processes' copies of the database's clock may differ: milliseconds, except under overload.
CLOCKS = timedelta(seconds=0.25)


@dataclass(frozen=True)
class Draw:
    """What is known of a draw afterwards."""

    seed: str
    drawn_at: datetime

    def place_of(self, ticket: TicketSeen) -> float:
        """Return where a ticket stands: drawn, or by time when it was minted after the draw."""
        if ticket.minted_at < self.drawn_at:
            return recomputed_place(self.seed, ticket.id.hex)
        return 1.0 + (ticket.minted_at - self.drawn_at).total_seconds()

    def drawn(self, seen: Seen) -> list[TicketSeen]:
        """Return the tickets that were drawn, in the order of their arrival."""
        tickets = [ticket for ticket in seen.tickets.values() if ticket.minted_at < self.drawn_at]
        return sorted(tickets, key=lambda ticket: ticket.minted_at)


@dataclass(frozen=True)
class Fairness:
    """How likely a fair draw gives places as uneven as these, as far apart by arrival, or as good for bots."""

    uniform: float
    arrival: float
    bots: float

    @classmethod
    def of(cls, places: Sequence[float], *, of_bots: Sequence[bool]) -> "Fairness":
        """Compare places, which stand in the order of arrival; `of_bots` says which of them bots have."""
        half = len(places) // 2
        bots = [place for place, is_bot in zip(places, of_bots, strict=True) if is_bot]
        others = [place for place, is_bot in zip(places, of_bots, strict=True) if not is_bot]
        return cls(p_of_uniform(places), p_of_same(places[:half], places[half:]), p_of_same(bots, others))

    def broken(self) -> list[str]:
        """Return a sentence for each comparison that a fair draw would hardly show."""
        found = {
            "Places are not uniform": self.uniform,
            "Places depend on the time of arrival": self.arrival,
            "Bots have other places than honest shoppers": self.bots,
        }
        least = ALPHA / COMPARISONS
        return [f"{sentence}: p = {p:.2g} is below {least:.2g}" for sentence, p in found.items() if p < least]


def fairness_of(draw: Draw, seen: Seen) -> Fairness:
    """Return how fair the places of all drawn tickets are, absentees included."""
    tickets = draw.drawn(seen)
    return Fairness.of(
        [draw.place_of(ticket) for ticket in tickets], of_bots=[ticket.kind == Kind.BOT for ticket in tickets]
    )


def broken_promises(draw: Draw, seen: Seen) -> list[str]:
    """Return a sentence for each promise about the draw that was broken."""
    return [*_hash(draw, seen.pages), *_places(draw, seen), *fairness_of(draw, seen).broken()]


def _hash(draw: Draw, pages: Sequence[Page]) -> list[str]:
    before = [page for page in pages if page.server_time < draw.drawn_at - CLOCKS]
    shown = {page.seed_hash for page in pages if page.seed_hash}
    sentences = []
    if not any(page.seed_hash for page in before):
        sentences.append("No page showed the seed's hash before the draw")
    if any(page.seed for page in before):
        sentences.append("A page showed the seed before the draw")
    if shown - {hashlib.sha256(draw.seed.encode()).hexdigest()}:
        sentences.append("A page showed a hash that is not that of the seed")
    if {page.seed for page in pages} - {None, draw.seed}:
        sentences.append("Pages showed different seeds")
    return sentences


def _places(draw: Draw, seen: Seen) -> list[str]:
    """Return a sentence when places that were answered do not follow from the seed, or changed."""
    wrong = [
        ticket
        for ticket, places in seen.places.items()
        if any(abs(place - draw.place_of(seen.tickets[ticket])) > 1e-6 for place in places)
    ]
    return [f"{len(wrong)} places are not those that the seed gives"] if wrong else []
