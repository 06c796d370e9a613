"""The rows of the table of problem codes that only the back office is answered with."""

from http import HTTPStatus

from rest_framework import serializers

from catalog import inventory, products
from checkout import orders
from flashsale.api.problem_rows import Member, member, of_refusal
from flashsale.core.rest import conditional
from flashsale.outbox import endpoints, feed
from payments import refunds

BACKOFFICE = (
    of_refusal(
        orders.OrderNotPaid, HTTPStatus.CONFLICT,
        "Only a paid order can be refunded.", "Cancel a pending order instead; nothing is owed for any other.",
    ),
    of_refusal(
        orders.RestockTooLarge, HTTPStatus.CONFLICT,
        "More units were to be put back on sale than the order still has: of `quantity`, `restocked` went back before.",
        "Read the order again, and ask for fewer.",
        members=(
            Member(name="quantity", kind=serializers.IntegerField, meaning="the order's units.", example=2),
            Member(name="restocked", kind=serializers.IntegerField, meaning="units that went back before.", example=1),
        ),
    ),
    of_refusal(
        refunds.RefundTooLarge, HTTPStatus.CONFLICT,
        "The refunds would exceed what was paid: of `paid`, `refunded` went back and `due` is due already, in"
        " `currency`.",
        "Read the payment again, and ask for less.",
        members=(
            Member(name="paid", kind=serializers.CharField, meaning="what was paid.", example="59.98"),
            Member(name="refunded", kind=serializers.CharField, meaning="what went back.", example="20.00"),
            Member(name="due", kind=serializers.CharField, meaning="what is due for refund.", example="0.00"),
            Member(name="currency", kind=serializers.CharField, meaning="the amounts' currency.", example="USD"),
        ),
    ),
    of_refusal(
        refunds.NothingToRefund, HTTPStatus.CONFLICT,
        "All of the payment went back, or is due for refund; or neither money nor units were asked for.",
        "Do not repeat the request.",
    ),
    of_refusal(
        refunds.RefundChanged, HTTPStatus.CONFLICT,
        "Another refund was asked for or made meanwhile.", "Read the payment again before you decide.",
    ),
    of_refusal(
        endpoints.TooManyEndpoints, HTTPStatus.CONFLICT,
        "There are as many endpoints for webhooks as there can be; `limit` says how many.",
        "Delete one that is not needed any more, or let one endpoint take the events of several.",
        members=member("limit", serializers.IntegerField, "how many endpoints there can be.", 20),
    ),
    of_refusal(
        feed.CursorExpired, HTTPStatus.GONE,
        "Events after this cursor are no longer kept, or the cursor is newer than the newest event; `oldest` and"
        " `newest` are the cursors that can be read from.",
        "Read the orders and products that you keep again; then go on from `newest`, or from `oldest`.",
        members=(
            Member(name="oldest", kind=serializers.IntegerField, meaning="the oldest cursor.", example=120),
            Member(name="newest", kind=serializers.IntegerField, meaning="the newest cursor.", example=4711),
        ),
    ),
    of_refusal(
        inventory.StockBelowCommitments, HTTPStatus.CONFLICT,
        "The total would fall below the units that are reserved and sold; units of overdue holds and orders do not"
        " count. The members are the counters now.",
        "Take fewer units away: at most `total` less `committed`.",
        members=(
            *member("total", serializers.IntegerField, "units in all.", 100),
            *member("reserved", serializers.IntegerField, "units of holds and unpaid orders.", 40),
            *member("sold", serializers.IntegerField, "units of paid orders.", 30),
            *member("committed", serializers.IntegerField, "`reserved` and `sold` together.", 70),
        ),
    ),
    of_refusal(
        inventory.StockChanged, HTTPStatus.CONFLICT,
        "The total is not `expected_total`: staff or another program changed it meanwhile.",
        "Look at the product again, and decide whether the change is still right.",
        members=member("total", serializers.IntegerField, "units in all.", 100),
    ),
    of_refusal(
        products.ChangedMeanwhile, HTTPStatus.PRECONDITION_FAILED,
        "What can be edited is not what `If-Match` names: it was changed meanwhile. This request changed nothing.",
        "Read it again, apply your change to what you read, and send its new `ETag`.",
    ),
    of_refusal(
        conditional.PreconditionRequired, HTTPStatus.PRECONDITION_REQUIRED,
        "The request lacks `If-Match`, without which it might undo a change that its sender has not seen.",
        "Read what you want to change, and send its `ETag` as `If-Match`.",
    ),
)  # fmt: skip
