"""Tickets: signed places in a product's queue. Nothing about a ticket is stored until a hold has it.

A ticket is text: `q1.PRODUCT.ID.MINTED.CUSTOMER.SIGNATURE`. ID is 32 hexadecimal digits, MINTED microseconds since the
epoch by the database's clock, CUSTOMER the base64url of a customer id that an API token vouched for (or empty), and
SIGNATURE the base64url of an HMAC-SHA256 (RFC 2104) over what stands before it.
"""

import base64
import functools
import hashlib
import hmac
import random
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from checkout.waiting_room.refusals import TicketInvalid

VERSION = "q1"
MAX_LENGTH = 600
ID_BYTES = 16
MAX_KEYS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORM = re.compile(rf"{VERSION}\.(\d{{1,19}})\.([0-9a-f]{{32}})\.(\d{{1,16}})\.([\w-]*)\.([\w-]{{43}})", re.ASCII)


class Ticket(NamedTuple):
    """A place in a product's queue; `id` is 32 hexadecimal digits.

    `customer_id`: the customer that an API token asked for; "": not known.
    """

    product_id: int
    id: str
    minted_at: datetime
    customer_id: str = ""

    @property
    def drawn_name(self) -> str:
        """The text that is drawn with the seed: the customer's id, else the ticket's."""
        return self.customer_id or self.id


def mint(*, product_id: int, customer_id: str, is_drawn: bool, now: datetime) -> Ticket:
    """Return a new ticket, minted at database time `now`.

    Before the draw a customer gets the same ticket on each device: it has one place, and is good for one hold.
    """
    ticket_id = _id_of_customer(product_id, customer_id) if customer_id and not is_drawn else _new_id()
    return Ticket(product_id, ticket_id, now, customer_id)


def signed(ticket: Ticket) -> str:
    """Return a ticket as its holder keeps it, signed with the first of `QUEUE_KEYS`."""
    minted = (ticket.minted_at - _EPOCH) // _MICROSECOND
    customer = _base64(ticket.customer_id.encode()) if ticket.customer_id else ""
    content = f"{VERSION}.{ticket.product_id}.{ticket.id}.{minted}.{customer}"
    return f"{content}.{_signature(content, settings.QUEUE_KEYS[0])}"


def verified(text: str, *, product_id: int) -> Ticket:
    """Return a product's ticket that was signed with any of `QUEUE_KEYS`. Raises `TicketInvalid`."""
    form = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if form is None:
        raise TicketInvalid("This is not a ticket.")
    product, ticket_id, minted, customer, signature = form.groups()
    content = text.removesuffix(f".{signature}")
    if not any(hmac.compare_digest(_signature(content, key), signature) for key in settings.QUEUE_KEYS):
        raise TicketInvalid("The ticket's signature is wrong.")
    if int(product) != product_id:
        raise TicketInvalid("The ticket is for another product.")
    return Ticket(
        product_id=product_id,
        id=ticket_id,
        minted_at=_EPOCH + timedelta(microseconds=int(minted)),
        customer_id=base64.urlsafe_b64decode(customer + "=" * (-len(customer) % 4)).decode(),
    )


def _new_id() -> str:
    # It must be unique; what makes a ticket hard to guess is its signature. Bits of the operating system would let
    # other threads run in between, which takes more time than all else about a ticket.
    return f"{random.getrandbits(8 * ID_BYTES):0{2 * ID_BYTES}x}"


def _id_of_customer(product_id: int, customer_id: str) -> str:
    return hashlib.sha256(f"{product_id}:{customer_id}".encode()).digest()[:ID_BYTES].hex()


def _signature(content: str, key: str) -> str:
    # A copy: to key a hash costs more than to use it.
    keyed = _keyed(key).copy()
    keyed.update(content.encode())
    return _base64(keyed.digest())


@functools.lru_cache(MAX_KEYS)
def _keyed(key: str) -> hmac.HMAC:
    return hmac.new(key.encode(), digestmod=hashlib.sha256)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
