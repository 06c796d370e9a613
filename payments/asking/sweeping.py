"""The sweep of a provider's list of events, from a stored cursor, through the inbox.

The cursor moves only after all of a list was taken, so that a sweep that fails or dies is done again. It follows the
provider's clock, and every sweep begins some minutes before it: providers list events late, and clocks differ.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from flashsale.core import events
from payments.asking import belonging, cursors, requests, taking
from payments.asking.cursors import Lease
from payments.asking.taking import Found
from payments.models import WebhookEvent
from payments.providers import PAYMENT_CLIENTS

OVERLAP = timedelta(minutes=10)
# Where a provider's account is quiet the cursor follows our clock, at this distance.
QUIET_DISTANCE = timedelta(days=1)
# Providers list their events for so long. Source: https://docs.stripe.com/api/events
LISTED_DAYS = 30


@dataclass(frozen=True)
class Sweep:
    """What a sweep found: events listed, taken of this shop, and such that cannot be read.

    `lost_since` is set when the cursor was so old that the provider lists events since then no more.
    """

    since: datetime
    listed: int = 0
    taken: int = 0
    unreadable: int = 0
    lost_since: datetime | None = None


@dataclass
class _List:
    """What is kept of a list: our new events, the newest first, our payments in it, the time of its newest event."""

    found: list[Found]
    payment_ids: set[str]
    newest: datetime | None = None
    length: int = 0


def sweep(provider: str, *, since: datetime | None = None) -> Sweep:
    """Take the events of this shop that a provider lists since the cursor, or since an earlier time by its clock.

    Raises `SweepUnderWay`, `ListingFailed`, and what passes with time: `Busy`, `OutcomeUnknown`, database errors.
    """
    lease = cursors.acquire(provider)
    holder = _Holder(lease)
    try:
        result = _sweep(provider, holder, since)
    except BaseException:
        cursors.release(holder.lease)
        raise
    events.record("events_swept", provider=provider, listed=result.listed, taken=result.taken)
    return result


class _Holder:
    """The lease of a sweep, which is renewed while it runs."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease

    def renew(self) -> None:
        """Extend the lease. Raises `SweepUnderWay`."""
        self.lease = cursors.renew(self.lease)


def _sweep(provider: str, holder: _Holder, since: datetime | None) -> Sweep:
    lease = holder.lease
    result = Sweep(since=min(lease.read_until - OVERLAP, since or lease.read_until))
    oldest = lease.began_at - timedelta(days=LISTED_DAYS)
    if lease.read_until < oldest:
        events.record("event_cursor_outdated", provider=provider, read_until=lease.read_until.isoformat())
        result = replace(result, lost_since=lease.read_until)
    listed = _read(provider, holder, since=max(result.since, oldest))
    ours = belonging.our_payments(provider, _undecided(listed)) | listed.payment_ids
    taken = unreadable = 0
    # Oldest first, as they happened.
    for number, found in enumerate(reversed(listed.found), 1):
        if number % requests.PART_ITEMS == 0:
            holder.renew()
        if found.message is None or belonging.made_here(found.message) or found.message.payment_id in ours:
            is_taken = taking.take(provider, found, source=WebhookEvent.Source.LISTED)
            taken, unreadable = taken + is_taken, unreadable + (not is_taken)
    cursors.finish(holder.lease, read_until=_next_cursor(lease, listed))
    return replace(result, listed=listed.length, taken=taken, unreadable=unreadable)


def _next_cursor(lease: Lease, listed: _List) -> datetime:
    """Return the time of the newest event, or where the account is quiet a time well before now.

    An event that claims to be of the future does not carry the cursor along: nothing would be listed until then.
    """
    newest = max(lease.began_at - QUIET_DISTANCE, listed.newest or lease.read_until)
    return min(newest, lease.began_at + OVERLAP)


def _read(provider: str, holder: _Holder, *, since: datetime) -> _List:
    """Read all pages of a list, and keep what may be this shop's and is not stored yet. Raises `ListingFailed`."""
    listed, client = _List([], set()), PAYMENT_CLIENTS[provider]
    before_page = partial(requests.wait_for_slot, client, "list_events")
    for bodies in requests.in_parts(client.list_events(since=since, before_page=before_page)):
        holder.renew()
        part = [taking.read(provider, body) for body in bodies]
        messages = [found.message for found in part if found.message is not None]
        listed.length += len(part)
        times = [message.occurred_at for message in messages if message.occurred_at is not None]
        listed.newest = max([*times, *([listed.newest] if listed.newest else [])], default=None)
        listed.payment_ids |= {one.payment_id for one in messages if one.payment_id and belonging.made_here(one)}
        listed.found += _new(provider, [found for found in part if _is_wanted(found)])
    return listed


def _is_wanted(found: Found) -> bool:
    """Say whether an event may be this shop's, and of a kind that it uses; what cannot be read may be."""
    message = found.message
    return message is None or (message.kind != WebhookEvent.Kind.UNKNOWN and belonging.may_be_about_ours(message))


def _new(provider: str, part: Iterable[Found]) -> list[Found]:
    """Return the events that are not stored yet, by their ids."""
    by_id = {found.event_id: found for found in part}
    stored = WebhookEvent.objects.filter(provider=provider, event_id__in=by_id).values_list("event_id", flat=True)
    known = set(stored) if by_id else set()
    return [found for event_id, found in by_id.items() if event_id not in known]


def _undecided(listed: _List) -> set[str]:
    """Return the payments of which their events' own words do not tell whether they are this shop's."""
    messages = (found.message for found in listed.found if found.message is not None)
    return {message.payment_id for message in messages if message.payment_id and not belonging.made_here(message)}
