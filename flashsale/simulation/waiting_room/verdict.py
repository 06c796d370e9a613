"""The checks after a sale with a queue: who was served, how often, and how fast. See `draw_verdict` for the draw."""

import itertools
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from checkout.models import Hold
from checkout.waiting_room.models import Queue
from flashsale.simulation.waiting_room import draw_verdict
from flashsale.simulation.waiting_room.draw_verdict import ALPHA, CLOCKS, COMPARISONS, Draw
from flashsale.simulation.waiting_room.seen import Kind, Page, Seen

IN_USE = (Hold.Status.ACTIVE, Hold.Status.CONVERTED)
# A page this much later than a hold says what was served by then: caches and clocks differ by less.
SERVED_BY = timedelta(seconds=1)
RATE_SECONDS = 10.0
# The pace is set by an estimate of the absentees, and admitted shoppers do not come at once.
TOLERANCE = 1.3
BURST_SECONDS = 3.0
BURST_BUYERS = 10.0


@dataclass(frozen=True)
class HoldSeen:
    """A hold as it is stored."""

    ticket_id: UUID
    status: str
    created_at: datetime


@dataclass(frozen=True)
class Verdict:
    """What a sale showed: one sentence for each broken promise, and the figures behind them."""

    broken: list[str]
    account: list[str]


def judge(product_id: int, seen: Seen, *, rate_max: int) -> Verdict:
    """Compare what clients saw with what is stored."""
    queue = Queue.objects.get(pk=product_id)
    faults = [f"{count} times {fault}" for fault, count in seen.faults.items()]
    if queue.seed is None or queue.drawn_at is None:
        return Verdict([*faults, "There was no draw"], [])
    draw = Draw(queue.seed, queue.drawn_at)
    holds = [
        HoldSeen(*row)
        for row in Hold.objects.filter(product=product_id, ticket_id__isnull=False).values_list(
            "ticket_id", "status", "created_at"
        )
    ]
    broken = [
        *faults,
        *draw_verdict.broken_promises(draw, seen),
        *without_admission(draw, seen, holds),
        *used_twice(holds),
        *went_back(seen.pages),
        *too_fast(seen.came_at.values(), what="admitted tickets came", rate_max=rate_max),
        *too_fast((hold.created_at.timestamp() for hold in holds), what="holds were placed", rate_max=rate_max),
    ]
    return Verdict(broken, _account(draw, seen, holds, rate_max=rate_max))


def without_admission(draw: Draw, seen: Seen, holds: Sequence[HoldSeen]) -> list[str]:
    """Return a sentence when a hold was placed with a ticket beyond what was served, or with none that was minted."""
    tickets = {ticket.id: ticket for ticket in seen.tickets.values()}
    pages = sorted(seen.pages, key=lambda page: page.server_time)
    moments = [page.server_time for page in pages]
    unserved = unknown = 0
    for hold in holds:
        ticket = tickets.get(hold.ticket_id)
        index = bisect_left(moments, hold.created_at + SERVED_BY)
        served = pages[min(index, len(pages) - 1)].serving if pages else 0.0
        unknown += ticket is None
        unserved += ticket is not None and draw.place_of(ticket) > served
    sentences = {
        f"{unserved} holds were placed with tickets that were not served": unserved,
        f"{unknown} holds were placed with tickets that were not minted": unknown,
    }
    return [sentence for sentence, count in sentences.items() if count]


def used_twice(holds: Iterable[HoldSeen]) -> list[str]:
    """Return a sentence when a ticket has more than one hold that is active or became an order."""
    counts = Counter(hold.ticket_id for hold in holds if hold.status in IN_USE)
    twice = [ticket_id for ticket_id, count in counts.items() if count > 1]
    return [f"{len(twice)} tickets have more than one hold, such as {twice[0]}"] if twice else []


def went_back(pages: Iterable[Page]) -> list[str]:
    """Return a sentence when a page showed less as served than another one had before, by the server's time.

    Web processes' clocks differ: pages are compared that are `CLOCKS` apart at least.
    """
    ordered = sorted(pages, key=lambda page: page.server_time)
    moments = [page.server_time for page in ordered]
    highest = list(itertools.accumulate((page.serving for page in ordered), max))
    for page in ordered:
        earlier = bisect_right(moments, page.server_time - CLOCKS)
        if earlier and page.serving < highest[earlier - 1]:
            return [f"What is served went back from {highest[earlier - 1]} to {page.serving} at {page.server_time}"]
    return []


def too_fast(moments: Iterable[float], *, what: str, rate_max: int) -> list[str]:
    """Return a sentence when more happened in `RATE_SECONDS` than the rate of admission allows."""
    most, allowed = fastest(moments), allowed_by(rate_max)
    if most <= allowed:
        return []
    return [f"{most} {what} in {RATE_SECONDS:.0f} s: {allowed:.0f} are allowed at {rate_max} a second"]


def fastest(moments: Iterable[float]) -> int:
    """Return the most of these moments (seconds) that lie within `RATE_SECONDS`."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, moment + RATE_SECONDS) - index for index, moment in enumerate(ordered)), default=0)


def allowed_by(rate_max: int) -> float:
    """Return how many buyers may come within `RATE_SECONDS`: as many as admitted, some more, and a burst."""
    return rate_max * (RATE_SECONDS * TOLERANCE + BURST_SECONDS) + BURST_BUYERS


def _account(draw: Draw, seen: Seen, holds: Sequence[HoldSeen], *, rate_max: int) -> list[str]:
    """Tell how the queue went, in words."""
    drawn, fairness = draw.drawn(seen), draw_verdict.fairness_of(draw, seen)
    asked = sum(1 for ticket in drawn if seen.places.get(ticket.text))
    placed = fastest(hold.created_at.timestamp() for hold in holds)
    return [
        f"{len(seen.tickets):,} tickets: {len(drawn):,} were drawn, {len(seen.tickets) - len(drawn):,} came later."
        f" {asked:,} drawn ones asked for their place, which was compared with the one that the seed gives.",
        f"Kolmogorov-Smirnov: places against uniform p = {fairness.uniform:.3f}, first half of the arrivals against the"
        f" second p = {fairness.arrival:.3f}, bots against the others p = {fairness.bots:.3f}. Below"
        f" {ALPHA / COMPARISONS:.2g} the sale fails: a fair draw does so one time in {1 / ALPHA:,.0f}.",
        *_account_of_bots(seen, {hold.ticket_id for hold in holds}),
        f"{len(seen.pages):,} pages showed what is served. At most {fastest(seen.came_at.values()):,} admitted tickets"
        f" came within {RATE_SECONDS:.0f} s ({allowed_by(rate_max):,.0f} allowed at {rate_max:,} a second), and"
        f" {placed:,} holds were placed. {seen.left_unserved:,} shoppers left before they were served.",
    ]


def _account_of_bots(seen: Seen, with_holds: set[UUID]) -> list[str]:
    bots = {ticket.id for ticket in seen.tickets.values() if ticket.kind == Kind.BOT}
    gained = with_holds & bots
    return [
        f"Bots had {len(bots):,} tickets ({_percent(len(bots), len(seen.tickets))}) and tried {seen.early_tries:,}"
        f" times before they were served: {len(gained):,} of the {len(with_holds):,} tickets with a hold"
        f" ({_percent(len(gained), len(with_holds))}) are theirs. {seen.forgeries:,} requests came with forged tickets."
    ]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"
