"""The rows of the table of problem codes (`problem_codes`) that queues alone have."""

import functools
from http import HTTPStatus

from rest_framework import serializers

from checkout.waiting_room import refusals
from flashsale.api.problem_rows import Member, of_refusal

QUEUES = (
    of_refusal(
        refusals.NotAdmitted, HTTPStatus.CONFLICT,
        "The ticket is valid, and its place in the queue is not served yet.",
        "Look at the product's queue until `serving` has reached the place; `retry_in_seconds` says about when. The"
        " place is kept, however often it is asked for.",
        members=(
            Member(name="place", kind=functools.partial(serializers.FloatField, allow_null=True),
                   meaning="the ticket's place; null before the draw.", example=0.4711),
            Member(name="serving", kind=serializers.FloatField, meaning="places up to it are admitted.", example=0.25),
            Member(name="retry_in_seconds", kind=serializers.IntegerField, meaning="when to try again.", example=12),
        ),
    ),
    of_refusal(
        refusals.TicketInvalid, HTTPStatus.CONFLICT,
        "The product has a queue, and the request has no ticket for it: the header `Queue-Ticket` is missing, or its"
        " ticket is altered, of another product, or of another customer than the hold.",
        "Join the queue with `POST /products/{id}/queue`, and send the ticket as `Queue-Ticket`.",
    ),
    of_refusal(
        refusals.TicketUsed, HTTPStatus.CONFLICT,
        "The ticket has a hold already, or had one that became an order.",
        "Go on with that hold; when it is released or has expired, the ticket is free again. After an order, join the"
        " queue again without the old ticket.",
    ),
    of_refusal(
        refusals.AdmissionExpired, HTTPStatus.CONFLICT,
        "The ticket was served, and its holder did not come in time.",
        "Join the queue again without the old ticket: the new one is at the end.",
    ),
)  # fmt: skip
