"""Shoppers in a queue: they join, wait until they are served or leave, and buy. Some behave as they should not."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

from flashsale.simulation.buying import Buying, wish
from flashsale.simulation.client import outcome_of
from flashsale.simulation.waiting_room.queue_client import QueueClient
from flashsale.simulation.waiting_room.seen import Kind, Page
from flashsale.simulation.waiting_room.shared_pages import SharedPage

# This share of the shoppers comes after the start, within so many seconds.
COMES_LATE = 0.1
LATE_SECONDS = 8.0
VISITS = 3
PAUSE_BETWEEN_VISITS_SECONDS = (1.0, 4.0)
# The share of waiting shoppers that leave when the page says sold out, and after how many such pages all have left.
LEAVES_WHEN_SOLD_OUT = 0.7
SOLD_OUT_LOOKS = 3
# How long shoppers wait after the start.
PATIENCE_SECONDS = 120.0
# Shoppers ask for their places when their pages tell them that the draw was made, not all at once.
ASKS_WITHIN_SECONDS = 2.0
WAITS_FOR_THE_START = frozenset({"not_open", "open"})


class Shopper:
    """One of them; `starts_at` is the monotonic second at which the sale starts."""

    def __init__(self, kind: Kind, queue: QueueClient, pages: SharedPage, buying: Buying, *, starts_at: float) -> None:
        self.kind = kind
        self._queue, self._pages, self._buying = queue, pages, buying
        self._starts_at = starts_at
        self._sold_out_looks = 0

    async def run(self) -> None:
        """Behave as this kind does, to the end. Raises `GaveUp` and `Refused`."""
        await asyncio.sleep(self._comes_in_seconds())
        ticket = await self._queue.join(self.kind)
        match self.kind:
            case Kind.ABSENTEE:
                return
            case Kind.FORGER:
                await self._forge(ticket)
            case Kind.RELOADER:
                await asyncio.sleep(random.uniform(0, ASKS_WITHIN_SECONDS))
                await self._queue.place_of(ticket)
                await self._wait_and_buy(ticket)
            case Kind.WRONG_CLOCK:
                await self._come_by_the_servers_time(ticket)
                await self._wait_and_buy(ticket)
            case _:
                await self._wait_and_buy(ticket)

    def _comes_in_seconds(self) -> float:
        lead = max(0.0, self._starts_at - time.monotonic())
        if random.random() < COMES_LATE and self.kind != Kind.WRONG_CLOCK:
            return lead + random.uniform(0, LATE_SECONDS)
        return random.uniform(0, lead)

    async def _wait_and_buy(self, ticket: str) -> None:
        page = await self._wait_for_the_start()
        await asyncio.sleep(random.uniform(0, ASKS_WITHIN_SECONDS))
        place = await self._queue.place_of(ticket)
        if place is None:
            self._queue.seen.faults["a ticket had no place after the draw"] += 1
        elif not await self._is_served(place, page):
            self._queue.seen.left_unserved += 1
        elif self.kind == Kind.SHARER:
            await self._buy_at_the_same_time(ticket)
        else:
            await self._buy(ticket)

    async def _wait_for_the_start(self) -> Page:
        page = await self._pages.next()
        while page.state in WAITS_FOR_THE_START:
            page = await self._pages.next()
        return page

    async def _is_served(self, place: float, page: Page) -> bool:
        """Wait until this place is served; False: the shopper has left."""
        while page.serving < place:
            if self._leaves(page) or time.monotonic() > self._starts_at + PATIENCE_SECONDS:
                return False
            page = await self._pages.next()
        return True

    def _leaves(self, page: Page) -> bool:
        """Look at a page; say whether the shopper leaves, because there are no units."""
        if page.state == "ended":
            return True
        if page.state != "sold_out":
            return False
        self._sold_out_looks += 1
        is_hopeless = not page.may_return or self._sold_out_looks == SOLD_OUT_LOOKS
        return is_hopeless or random.random() < LEAVES_WHEN_SOLD_OUT

    async def _buy(self, ticket: str) -> None:
        body, refusals = wish(self._queue.product_id), []
        for _ in range(VISITS):
            response = await self._queue.hold(ticket, body)
            if response.status_code == httpx.codes.CREATED:
                await self._buying.go_on(response.json())
                return
            refusals.append(outcome_of(response))
            # Web processes' clocks differ by milliseconds: a page may show a place just before another admits it.
            if refusals.count("not_admitted") > 1:
                self._queue.seen.faults["a ticket was refused a second after a page had shown it as served"] += 1
                return
            await asyncio.sleep(random.uniform(*PAUSE_BETWEEN_VISITS_SECONDS))
            if self._leaves(await self._pages.next()):
                return

    async def _buy_at_the_same_time(self, ticket: str) -> None:
        """Two shoppers use one ticket at the same moment."""
        wishes = [wish(self._queue.product_id) for _ in range(2)]
        answers = await asyncio.gather(*(self._queue.hold(ticket, body) for body in wishes))
        granted = [answer.json() for answer in answers if answer.status_code == httpx.codes.CREATED]
        if len(granted) > 1:
            self._queue.seen.faults["a ticket got two holds at the same time"] += 1
        for hold in granted:
            await self._buying.go_on(hold)

    async def _come_by_the_servers_time(self, ticket: str) -> None:
        """Come when the sale starts, by a clock that is wrong: it is compared with the page's `server_time`."""
        error = timedelta(hours=random.choice([-1, 1]))
        page = await self._queue.page()
        ahead = datetime.now(UTC) + error - page.server_time
        starts_at = datetime.fromisoformat((await self._queue.product())["sale_starts_at"])
        until_start = starts_at - (datetime.now(UTC) + error - ahead)
        await asyncio.sleep(max(0.0, until_start.total_seconds()) + 1.0)
        if await self._queue.place_of(ticket) is None:
            self._queue.seen.faults["a client with a wrong clock came before the draw"] += 1

    async def _forge(self, ticket: str) -> None:
        """Try tickets that the shop never signed."""
        await self._wait_for_the_start()
        for forged in forgeries(ticket):
            answers = await asyncio.gather(
                self._queue.hold(forged, wish(self._queue.product_id)), self._queue.show(forged)
            )
            self._queue.seen.forgeries += len(answers)
            for answer in answers:
                if outcome_of(answer) != "ticket_invalid":
                    self._queue.seen.faults[f"a forged ticket was not refused, but {outcome_of(answer)}"] += 1


def forgeries(ticket: str) -> list[str]:
    """Return a ticket with each part changed alone, and a text that is no ticket."""
    parts = ticket.split(".")
    changed = {
        1: str(int(parts[1]) + 1),
        2: uuid4().hex,
        3: str(int(parts[3]) - 3_600_000_000),
        4: "YW5u",
        5: parts[5][::-1] if parts[5][::-1] != parts[5] else "x" * len(parts[5]),
    }
    return [".".join([*parts[:index], part, *parts[index + 1 :]]) for index, part in changed.items()] + ["nothing"]
