"""Row locks on holds, taken after those on orders and before those on stock."""

from collections.abc import Iterable
from uuid import UUID

from checkout.holds.refusals import NO_SUCH_HOLD
from checkout.models import Hold
from flashsale.core import rows
from flashsale.core.refusals import NotFound
from flashsale.core.statements import Query, array, fetch


def lock(hold_id: UUID) -> Hold:
    """Lock and return a hold until the transaction ends; raises `NotFound`."""
    [locked] = fetch(locking_query([hold_id]))
    hold = locked.get(hold_id)
    if hold is None:
        raise NotFound(NO_SUCH_HOLD)
    return hold


def locking_query(hold_ids: Iterable[UUID]) -> Query[dict[UUID, Hold]]:
    """Lock and return those of these holds that exist, in ascending id, until the transaction ends."""
    return rows.locking_query(Hold, "id = ANY(%s::uuid[])", [array(hold_ids)])
