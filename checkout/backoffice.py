"""Orders for the back office, listed and cancelled, and the statistics of products.

`payments.backoffice` shows an order with its money.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from catalog.bulkheads import stock_locks
from checkout import orders, statistics
from checkout.bulkheads import statistics_queries
from checkout.models import CUSTOMER_ID_LENGTH, PAYMENT_ID_LENGTH, Order
from checkout.serializers import OrderOut, StatisticsOut
from flashsale.core import clock
from flashsale.core.backoffice import newest_first, parameters
from flashsale.core.backoffice.views import BackofficeViewSet
from flashsale.core.identifiers import parse_id, parse_uuid
from flashsale.core.refusals import NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.fields import TrimmedTextField
from flashsale.core.rest.serializers import ClosedRequestSerializer
from flashsale.core.rest.views import json_response
from flashsale.core.submissions.keyed_requests import Answer

NOTE_LENGTH = 500
LIST = newest_first.PARAMETERS | {
    "status": parameters.choice("The status as answers show it: an overdue order is `expired`.", Order.Status.values),
    "product_id": parameters.integer("The product's id."),
    "customer_id": parameters.text("The customer's id.", max_length=CUSTOMER_ID_LENGTH),
    "payment_id": parameters.text("A payment id that the order has, or claims.", max_length=PAYMENT_ID_LENGTH),
    "refund": parameters.choice("Whether money is due for refund, or went back.", ["due", "done"]),
    "created_from": parameters.moment("Placed at this time or later."),
    "created_to": parameters.moment("Placed before this time."),
}
STATISTICS = {
    "from": parameters.moment("Counts what was made at this time or later; by default, since the product was added."),
    "to": parameters.moment("Counts what was made before this time; by default, until now."),
    "step": parameters.one_of(
        f"Seconds between points of the series, at most {statistics.MAX_POINTS}; without it there is no series.",
        statistics.STEPS_SECONDS,
    ),
}


class Cancellation(ClosedRequestSerializer):
    """Why an order is cancelled."""

    note = TrimmedTextField(max_length=NOTE_LENGTH)


class OrderViewSet(BackofficeViewSet):
    """All orders, newest first, and their cancellation."""

    required_scopes = {"list": scopes.ORDERS_READ, "cancel": scopes.ORDERS_WRITE}
    parameters = {"list": LIST}

    def list(self, request: Request) -> HttpResponse:
        filters = {name: value for name, value in self.query.items() if name not in newest_first.PARAMETERS}
        branches = orders.find(now=clock.now(), **filters)
        return newest_first.page(request, self.query, *map(orders.annotate, branches), render=_render)

    def cancel(self, request: Request, pk: str) -> HttpResponse:
        order_id = parse_uuid(pk)
        if order_id is None:
            raise NotFound
        body = Cancellation.validated(request.data)

        def verb() -> tuple[Order, bool]:
            with stock_locks.entered():
                return orders.ensure_cancelled(order_id)

        def answer(result: tuple[Order, bool]) -> Answer:
            order, _ = result
            return Answer(status=HTTPStatus.OK, data=OrderOut.data_of(orders.get(order.pk)))

        def history(result: tuple[Order, bool]) -> tuple[Order, str] | None:
            order, is_changed = result
            return (order, f"Cancelled. Note: {body['note']}") if is_changed else None

        return self.change(request, verb, body=body, answer=answer, history=history)


class StatisticsViewSet(BackofficeViewSet):
    """What happened in a product's sale."""

    required_scopes = {"retrieve": scopes.STATS_READ}
    parameters = {"retrieve": STATISTICS}

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        product_id = parse_id(pk)
        if product_id is None:
            raise NotFound
        since, until, step_seconds = (self.query.get(name) for name in STATISTICS)
        with statistics_queries.entered():
            found = statistics.of_product(product_id, since=since, until=until, step_seconds=step_seconds)
        return json_response(StatisticsOut.data_of(found))


def _render(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [OrderOut.data_of(orders.view_of(row)) for row in rows]
