"""How many messages and statements the requests of a paid flow send to PostgreSQL, alone and in a batch.

Each round trip costs two processes a switch while rows are locked, each statement is parsed and planned: one more is
a decision, and changes this table.
"""

from uuid import uuid4

import pytest

from catalog.tests.factories import ProductFactory
from checkout import holds, orders
from checkout.holds.requests import HoldRequest
from checkout.idempotency import IdempotencyKey
from checkout.orders import OrderRequest
from checkout.tests.factories import HoldFactory, OrderFactory
from checkout.tests.support.queues import hold_with, join, queued_product, serve_up_to, start_sale
from flashsale.tests.support.wire import traffic
from payments.inbox import deliveries, processing
from payments.inbox.deliveries import Delivery
from payments.providers import PROVIDERS

pytestmark = pytest.mark.django_db(transaction=True)

BATCH = 16
# Round trips and statements, BEGIN and COMMIT among them.
HOLD = (2, 6)
# Whether the ticket was used.
HOLD_WITH_TICKET = (3, 7)
ORDER = (3, 9)
STORED, PROCESSED = (2, 6), (3, 15)
WEBHOOK = (5, 21)


@pytest.fixture(autouse=True)
def snapshots(api, product):
    """The first request for a product reads its snapshot."""
    api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1})


def key() -> IdempotencyKey:
    return IdempotencyKey(client="", key=uuid4().hex, body_hash="same")


def test_a_hold_of_an_admitted_ticket_asks_one_question_more(api):
    product = queued_product()
    ticket = join(api, product).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)
    join(api, product, ticket)

    with traffic() as of_ticket:
        again = join(api, product, ticket)
    with traffic() as of_hold:
        hold = hold_with(api, product, ticket)

    assert (again.status_code, hold.status_code) == (200, 201)
    assert (of_ticket.round_trips, of_ticket.statements) == (0, 0)
    assert (of_hold.round_trips, of_hold.statements) == HOLD_WITH_TICKET


def delivery(order) -> Delivery:
    provider = PROVIDERS["standard"]
    members = {"order_id": str(order.pk), "payment_id": f"pay_{uuid4().hex}"}
    body = provider.sample(event_id=uuid4().hex, status="success", members=members)
    return Delivery(provider.name, provider.translate(body, {}), body, {}, "")


def test_a_paid_flow_of_one_buyer(api, product):
    with traffic() as of_hold:
        hold = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1}).json()
    with traffic() as of_order:
        order = api.post("/api/v1/orders", {"hold_id": hold["hold_id"]}).json()
    success = {"idempotency_key": "evt_1", "status": "success", "order_id": order["order_id"], "payment_id": "pay_1"}
    with traffic() as of_webhook:
        receipt = api.post("/api/v1/payments/webhook", success).json()

    assert receipt["outcome"] == "applied"
    assert (of_hold.round_trips, of_hold.statements) == HOLD
    assert (of_order.round_trips, of_order.statements) == ORDER
    assert (of_webhook.round_trips, of_webhook.statements) == WEBHOOK


def test_a_batch_sends_what_one_request_sends():
    product = ProductFactory(stock=100)
    hold_requests = [HoldRequest(quantity=1) for _ in range(BATCH)]

    with traffic() as of_holds:
        placed = [view.hold for view in holds.place_batch(product_id=product.pk, requests=hold_requests)]
    with traffic() as of_orders:
        ordered = [view.order for view in orders.place_batch([OrderRequest(hold_id=hold.pk) for hold in placed])]
    batch = [delivery(order) for order in ordered]
    with traffic() as of_storing:
        events = [event for event, _ in deliveries.store(batch)]
    with traffic() as of_processing:
        processed = processing.process(events)

    assert {event.reason for event in processed} == {"order_paid"}
    assert (of_holds.round_trips, of_holds.statements) == HOLD
    assert (of_orders.round_trips, of_orders.statements) == ORDER
    assert (of_storing.round_trips, of_storing.statements) == STORED
    assert (of_processing.round_trips, of_processing.statements) == PROCESSED


def test_an_idempotency_key_costs_one_round_trip_and_a_proved_payment_id_none():
    product = ProductFactory(stock=100)
    held = [HoldFactory(product=product) for _ in range(2)]
    proved = {"payment_id": "pay_1", "is_payment_id_proved": True}

    with traffic() as of_hold:
        holds.place_batch(product_id=product.pk, requests=[HoldRequest(quantity=1, key=key())])
    with traffic() as of_order:
        orders.place_batch([OrderRequest(hold_id=held[0].pk, key=key())])
    with traffic() as of_proved_order:
        orders.place_batch([OrderRequest(hold_id=held[1].pk, **proved)])

    # The lock on the key, and the look-up.
    assert (of_hold.round_trips, of_hold.statements) == (HOLD[0] + 1, HOLD[1] + 2)
    assert (of_order.round_trips, of_order.statements) == (ORDER[0] + 1, ORDER[1] + 2)
    # Whether its payment is recorded, and its proof: looked up and inserted.
    assert (of_proved_order.round_trips, of_proved_order.statements) == (ORDER[0], ORDER[1] + 3)


def test_a_webhook_that_is_sent_again_processes_nothing(api):
    order = OrderFactory()
    deliveries.store([repeated := delivery(order)])

    with traffic() as again:
        [(_, is_new)] = deliveries.store([repeated])

    assert not is_new
    # The event is read; with the COMMIT goes what lets it wait for a standby.
    assert (again.round_trips, again.statements) == (STORED[0] + 1, STORED[1] + 1)
