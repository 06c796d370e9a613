"""The story of an order on its page in the admin: what happened to it, and the documents that belong to it.

A higher app registers its part of the story, so that checkout does not import payments.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from checkout.models import Order

Moment = tuple[datetime, str]


@dataclass(frozen=True)
class Document:
    """A text that belongs to an order, under a title that links to the admin page at `url`."""

    title: str
    url: str
    text: str


Moments = Callable[[Order], Iterable[Moment]]
Documents = Callable[[Order], Iterable[Document]]

_registered: list[tuple[Moments, Documents]] = []


def register(*, moments: Moments, documents: Documents) -> None:
    """Let an app add to the story of every order; called when the app is ready."""
    _registered.append((moments, documents))


def moments_of(order: Order) -> list[Moment]:
    """Return everything that happened to an order, by time; at equal times, causes before their effects."""
    moments = [(order.hold.created_at, f"Hold {order.hold_id} placed"), (order.created_at, "Ordered")]
    for registered, _ in _registered:
        moments += registered(order)
    if order.paid_at:
        moments.append((order.paid_at, "Paid"))
    if order.closed_at:
        moments.append((order.closed_at, "Expired" if order.paid_at else order.get_status_display()))
    moments += _changes_by_staff(order)
    return sorted(moments, key=lambda moment: moment[0])


def documents_of(order: Order) -> list[Document]:
    """Return the documents that belong to an order."""
    return [document for _, registered in _registered for document in registered(order)]


def _changes_by_staff(order: Order) -> list[Moment]:
    content_type = ContentType.objects.get_for_model(Order)
    entries = LogEntry.objects.filter(content_type=content_type, object_id=str(order.pk)).select_related("user")
    return [(entry.action_time, f"{entry.user}: {entry.get_change_message()}") for entry in entries]
