"""What the columns of a product that describe its waiting room may hold: constraints, and errors by column."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q

from flashsale.core import moments

QUEUE_LENGTH = 8
# A queue opens at least so long before the sale starts: the tickets of this time are drawn.
SHORTEST_OPENING = timedelta(minutes=5)
# Buyers a second. More than any sale admits; a larger number is a slip of the hand.
MAX_ADMISSION_RATE = 1_000_000
NEEDS_A_START = "A queue needs a start of the sale."
OPENING_NEEDS_A_START = "A queue that opens at a time needs a start of the sale."
OPENS_TOO_LATE = "The queue must open at least 5 minutes before the sale starts."


class Queue(models.TextChoices):
    """Whether buyers wait in a queue before they can hold units."""

    OFF = "off", "Off"
    ON = "on", "On"


CONSTRAINTS = [
    models.CheckConstraint(
        name="product_queue_is_known",
        condition=Q(queue__in=Queue.values),
        violation_error_message="A queue is off or on.",
    ),
    models.CheckConstraint(
        name="product_queue_has_a_start",
        condition=Q(queue=Queue.OFF) | Q(sale_starts_at__isnull=False),
        violation_error_message=NEEDS_A_START,
    ),
    models.CheckConstraint(
        name="product_queue_opens_before_the_start",
        condition=Q(queue_opens_at__isnull=True)
        | Q(sale_starts_at__isnull=False, queue_opens_at__lte=F("sale_starts_at") - SHORTEST_OPENING),
        violation_error_message=OPENS_TOO_LATE,
    ),
    models.CheckConstraint(
        name="product_queue_opens_at_is_in_range",
        condition=Q(queue_opens_at__gte=moments.FIRST, queue_opens_at__lt=moments.END),
        violation_error_message=f"Opening of the queue: {moments.OUT_OF_RANGE}",
    ),
    models.CheckConstraint(
        name="product_admission_rate_max_is_in_range",
        condition=Q(admission_rate_max__gte=1, admission_rate_max__lte=MAX_ADMISSION_RATE),
        violation_error_message=f"Buyers a second: 1 to {MAX_ADMISSION_RATE:,}.",
    ),
]


def errors_of(*, queue: str, opens_at: datetime | None, starts_at: datetime | None) -> Mapping[str, str]:
    """Return by column what is wrong with a product's queue beside the start of its sale; empty: nothing."""
    errors = {}
    if queue == Queue.ON and starts_at is None:
        errors["queue"] = NEEDS_A_START
    if opens_at and starts_at is None:
        errors["queue_opens_at"] = OPENING_NEEDS_A_START
    elif opens_at and starts_at and opens_at > starts_at - SHORTEST_OPENING:
        errors["queue_opens_at"] = OPENS_TOO_LATE
    return errors
