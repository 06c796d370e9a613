"""How far a provider's events were read for this shop: the only reader and writer of event cursors.

A sweep leases its cursor, so that two do not read the same list at once. A sweep that dies loses its lease by time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Greatest

from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction
from payments.models import EventCursor

# Longer than a page of a list takes with all its time-outs; the lease is renewed for each.
LEASE_SECONDS = 300


class SweepUnderWay(Exception):
    """Another process reads this provider's events at present."""


@dataclass(frozen=True)
class Lease:
    """A leased cursor: whose it is, how far it had read, when it was leased, and until when."""

    cursor_id: int
    read_until: datetime
    began_at: datetime
    until: datetime


@retrying_transaction
def acquire(provider: str) -> Lease:
    """Lease the cursor of a provider's events; the first one begins now. Raises `SweepUnderWay`."""
    cursor = _locked(provider)
    now = clock.now()
    if cursor.leased_until is not None and cursor.leased_until > now:
        raise SweepUnderWay
    cursor.leased_until = now + timedelta(seconds=LEASE_SECONDS)
    cursor.save(update_fields=["leased_until"])
    return Lease(cursor.pk, cursor.read_until, now, cursor.leased_until)


@retrying_transaction
def renew(lease: Lease) -> Lease:
    """Extend a lease and return it. Raises `SweepUnderWay` when another process has it by now."""
    until = clock.now() + timedelta(seconds=LEASE_SECONDS)
    if not _of(lease).update(leased_until=until):
        raise SweepUnderWay
    return Lease(lease.cursor_id, lease.read_until, lease.began_at, until)


@retrying_transaction
def finish(lease: Lease, *, read_until: datetime) -> None:
    """Store that a whole list was taken, up to a time by the provider's clock, and end the lease."""
    read_further = Greatest("read_until", read_until)
    _of(lease).update(read_until=read_further, swept_at=lease.began_at, leased_until=None)


@retrying_transaction
def release(lease: Lease) -> None:
    """End the lease of a sweep that failed: the next one begins where it began."""
    _of(lease).update(leased_until=None)


@retrying_transaction
def compared_until(provider: str) -> datetime | None:
    """Return when a provider's payments were last compared with ours, or None."""
    return _locked(provider).compared_until


@retrying_transaction
def record_comparison(provider: str, *, until: datetime) -> None:
    """Store when the provider's payments were compared with ours."""
    cursor = _locked(provider)
    cursor.compared_until = until
    cursor.save(update_fields=["compared_until"])


def _locked(provider: str) -> EventCursor:
    """Lock this shop's cursor until the transaction ends; it is made where there is none."""
    first = EventCursor(provider=provider, shop_id=settings.SHOP_ID, read_until=clock.now())
    EventCursor.objects.bulk_create([first], ignore_conflicts=True)
    own = EventCursor.objects.filter(provider=provider, shop_id=settings.SHOP_ID)
    return own.select_for_update(no_key=True, of=("self",)).get()


def _of(lease: Lease) -> QuerySet[EventCursor]:
    return EventCursor.objects.filter(pk=lease.cursor_id, leased_until=lease.until)
