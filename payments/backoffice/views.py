"""Orders with their money, refunds, and payments, for the back office."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from catalog.bulkheads import stock_locks
from checkout.models import Order
from flashsale.core.backoffice import newest_first, parameters
from flashsale.core.backoffice.views import BackofficeViewSet
from flashsale.core.identifiers import parse_id, parse_uuid
from flashsale.core.refusals import NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.views import json_response
from flashsale.core.submissions.keyed_requests import Answer
from payments import refunds
from payments.backoffice import reading
from payments.backoffice.serializers import RefundOrder
from payments.models import Payment, RefundRequest
from payments.serializers import RecordedPaymentOut

LIST = newest_first.PARAMETERS | {"status": parameters.choice("The payment's status.", Payment.Status.values)}


class OrderViewSet(BackofficeViewSet):
    """One order with its money, and its refunds."""

    required_scopes = {"retrieve": scopes.ORDERS_READ, "refund": scopes.REFUNDS_WRITE}

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        return json_response(reading.order_in_full(_order_id(pk)))

    def refund(self, request: Request, pk: str) -> HttpResponse:
        order_id, body = _order_id(pk), RefundOrder.validated(request.data)
        wanted = {name: body[name] for name in ("amount", "restock_units") if name in body}
        payment = _payment(body["payment"]) if "payment" in body else None

        def verb() -> RefundRequest:
            with stock_locks.entered():
                return refunds.request(order_id, payment=payment, staff=None, note=body["note"], **wanted)

        def answer(made: RefundRequest) -> Answer:
            changed = reading.with_refunds(Payment.objects.filter(pk=made.payment_id)).get()
            return Answer(status=HTTPStatus.ACCEPTED, data=RecordedPaymentOut.data_of(changed))

        def history(made: RefundRequest) -> tuple[Order, str]:
            done = str(made)
            return Order(pk=order_id), f"{done[:1].upper()}{done[1:]}. Note: {made.note}"

        return self.change(request, verb, body=body, answer=answer, history=history)


class PaymentViewSet(BackofficeViewSet):
    """All payments that providers reported, newest first."""

    required_scopes = {"list": scopes.PAYMENTS_READ, "retrieve": scopes.PAYMENTS_READ}
    parameters = {"list": LIST}

    def list(self, request: Request) -> HttpResponse:
        found = reading.with_refunds(of_status(self.query.get("status", "")))
        return newest_first.page(request, self.query, found, render=_render)

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        payment_id = parse_id(pk)
        if payment_id is None:
            raise NotFound
        return json_response(RecordedPaymentOut.data_of(_payment(payment_id)))


def of_status(status: str) -> QuerySet[Payment]:
    """Return the payments with this status; all where it is empty."""
    if not status:
        return Payment.objects.all()
    # What is due for refund has an index of its own, of all that is due.
    rows = Payment.objects.refund_due() if status == Payment.Status.REFUND_DUE else Payment.objects.all()
    return rows.filter(status=status)


def _render(rows: Sequence[Payment]) -> list[dict[str, Any]]:
    return [RecordedPaymentOut.data_of(payment) for payment in rows]


def _payment(payment_id: int) -> Payment:
    payment = reading.with_refunds(Payment.objects.filter(pk=payment_id)).first()
    if payment is None:
        raise NotFound("There is no such payment.")
    return payment


def _order_id(text: str) -> UUID:
    order_id = parse_uuid(text)
    if order_id is None:
        raise NotFound
    return order_id
