"""Row locks on holds, taken after those on orders and before those on stock."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from checkout.holds.refusals import NO_SUCH_HOLD
from checkout.models import Hold
from flashsale.core.refusals import NotFound


def lock(hold_id: UUID) -> Hold:
    """Lock and return a hold until the transaction ends; raises `NotFound`."""
    hold = _locked().filter(pk=hold_id).first()
    if hold is None:
        raise NotFound(NO_SUCH_HOLD)
    return hold


def lock_all(hold_ids: Iterable[UUID]) -> dict[UUID, Hold]:
    """Lock and return those of these holds that exist, in ascending id, until the transaction ends."""
    return {hold.pk: hold for hold in _locked().filter(pk__in=list(hold_ids)).order_by("pk")}


def _locked() -> QuerySet[Hold]:
    return Hold.objects.select_for_update(no_key=True, of=("self",))
