"""Holds as answers show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from checkout.holds.refusals import NO_SUCH_HOLD
from checkout.models import Hold
from flashsale.core import greenlets
from flashsale.core.refusals import NotFound

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class _Annotations(TypedDict):
        read_at: datetime
        order_pk: UUID | None

    AnnotatedHold = WithAnnotations[Hold, _Annotations]


@dataclass(frozen=True, kw_only=True)
class HoldView:
    """A hold at database time `read_at`, with the id of the order that was made of it, if any.

    `is_replayed`: an earlier request with the same Idempotency-Key placed it.
    """

    hold: Hold
    read_at: datetime
    order_id: UUID | None = None
    is_replayed: bool = False

    @property
    def status(self) -> Hold.Status:
        """The status at `read_at`."""
        return self.hold.status_at(self.read_at)


@greenlets.offloaded
def get(hold_id: UUID) -> HoldView:
    """Return a hold as it is now; raises `NotFound`."""
    hold = _annotated(Hold.objects.filter(pk=hold_id)).first()
    if hold is None:
        raise NotFound(NO_SUCH_HOLD)
    return HoldView(hold=hold, read_at=hold.read_at, order_id=hold.order_pk)


def replayed(hold: Hold, read_at: datetime) -> HoldView:
    """Return a hold, read with its order, that an equal request placed earlier."""
    order = getattr(hold, "order", None)
    return HoldView(hold=hold, read_at=read_at, order_id=order.pk if order else None, is_replayed=True)


def _annotated(holds: QuerySet[Hold]) -> "QuerySet[AnnotatedHold]":
    return holds.annotate(read_at=Now(), order_pk=F("order__id"))
