"""The calls of a queue's clients; what is answered goes into `Seen`."""

import time
from typing import Any

import httpx

from flashsale.simulation.client import ShopClient, outcome_of
from flashsale.simulation.waiting_room.seen import Kind, Page, Seen, TicketSeen

# The refusals of the gate: other answers to a request for a hold say that its ticket was admitted.
NOT_SERVED = frozenset({"sale_not_started", "sale_paused", "not_admitted"})
REFUSED_AT_THE_GATE = NOT_SERVED | {"sale_ended", "ticket_invalid", "admission_expired"}


class Refused(Exception):
    """The shop gave no ticket, or no page. It is among the faults that were seen."""


class QueueClient:
    """The queue of one product, and holds with its tickets. Each call may raise `GaveUp`."""

    def __init__(self, shop: ShopClient, product_id: int, seen: Seen) -> None:
        self.seen = seen
        self.product_id = product_id
        self._shop = shop
        self._path = f"/api/v1/products/{product_id}/queue"

    async def join(self, kind: Kind) -> str:
        """Return a new ticket. Raises `Refused`."""
        response = await self._shop.call("join", "POST", self._path, {})
        if response.status_code != httpx.codes.OK:
            self.seen.faults[f"a shopper got no ticket, but {outcome_of(response)}"] += 1
            raise Refused
        ticket = response.json()["ticket"]
        self.seen.tickets[ticket] = TicketSeen(ticket, kind)
        self._take_note(ticket, response.json()["place"])
        return ticket

    async def place_of(self, ticket: str) -> float | None:
        """Ask again with a ticket, as after a reload; return its place. Raises `Refused`."""
        response = await self.show(ticket)
        if response.status_code != httpx.codes.OK:
            self.seen.faults[f"a ticket was not known again, but {outcome_of(response)}"] += 1
            raise Refused
        members = response.json()
        if members["ticket"] != ticket:
            self.seen.faults["a reload got another ticket"] += 1
        self._take_note(ticket, members["place"])
        return members["place"]

    async def show(self, ticket: str) -> httpx.Response:
        """Return the answer to a ticket that is shown."""
        return await self._shop.call("place", "POST", self._path, {}, headers={"Queue-Ticket": ticket})

    async def page(self) -> Page:
        """Return the queue's page. Raises `Refused`."""
        response = await self._shop.call("queue", "GET", self._path)
        if response.status_code != httpx.codes.OK:
            self.seen.faults[f"a client got no page of the queue, but {outcome_of(response)}"] += 1
            raise Refused
        page = Page.of(response.json())
        self.seen.pages.append(page)
        return page

    async def product(self) -> dict[str, Any]:
        """Return the product."""
        return (await self._shop.call("product", "GET", f"/api/v1/products/{self.product_id}")).json()

    async def hold(self, ticket: str, body: dict[str, Any]) -> httpx.Response:
        """Ask for a hold with a ticket; return the answer."""
        response = await self._shop.call("hold", "POST", "/api/v1/holds", body, headers={"Queue-Ticket": ticket})
        if outcome_of(response) not in REFUSED_AT_THE_GATE:
            self.seen.came_at.setdefault(ticket, time.monotonic())
        return response

    def _take_note(self, ticket: str, place: float | None) -> None:
        if place is not None:
            self.seen.places[ticket].add(place)
