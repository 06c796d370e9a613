"""One hold for each ticket, on however many devices; tickets outlive keys; a customer has one place."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from catalog.models import Stock
from checkout import audit, holds
from checkout.models import Hold
from checkout.tests.support.queues import (
    hold_with,
    join,
    queued_product,
    serve_up_to,
    served_for,
    start_sale,
    ticket_minted,
)
from checkout.waiting_room import tickets, used_tickets
from checkout.waiting_room.models import Queue
from flashsale.core.configuration import secret_keys
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.racing import Meeting, at_once, counts, times, without_row_locks
from flashsale.tests.support.tokens import bearer, make_token

pytestmark = pytest.mark.django_db
KEY = "k" * 40


def admitted(api, product, **members) -> str:
    """Return a ticket for a product whose sale starts now, and serve it."""
    ticket = join(api, product, **members).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)
    return ticket


def id_of(ticket: str, product) -> UUID:
    return UUID(tickets.verified(ticket, product_id=product.pk).id)


def _two_holds_with_one_ticket(api, monkeypatch) -> list:
    product = queued_product(stock=10)
    ticket_id = id_of(admitted(api, product), product)
    monkeypatch.setattr(used_tickets, "of", Meeting(2).after(used_tickets.of))
    return at_once(*times(2, lambda: holds.place(product_id=product.pk, quantity=1, ticket_id=ticket_id)))


@pytest.mark.django_db(transaction=True)
def test_of_two_holds_at_once_with_one_ticket_one_is_placed(api, monkeypatch):
    assert counts(_two_holds_with_one_ticket(api, monkeypatch)) == {"Hold": 1, "TicketUsed": 1}
    assert audit.find_drift() == []


@pytest.mark.django_db(transaction=True)
def test_control_without_the_stock_lock_the_constraint_stops_the_second_hold(api, monkeypatch):
    without_row_locks(monkeypatch, Stock)

    assert counts(_two_holds_with_one_ticket(api, monkeypatch)) == {"Hold": 1, "IntegrityError": 1}


@pytest.mark.django_db(transaction=True)
def test_many_who_share_one_ticket_get_one_hold(api):
    product = queued_product(stock=10)
    ticket = admitted(api, product)

    answers = at_once(*times(8, lambda: hold_with(api, product, ticket).status_code))

    assert sorted(answers) == [201] + [409] * 7
    assert Hold.objects.get().ticket_id == id_of(ticket, product)


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_sent_twice_at_once_with_its_key_gets_one_hold_twice(api):
    product = queued_product(stock=10)
    ticket = admitted(api, product)
    key = {"Idempotency-Key": "k" * 20}

    answers = at_once(*times(4, lambda: hold_with(api, product, ticket, headers=key).json()["hold_id"]))

    assert set(answers) == {str(Hold.objects.get().pk)}


def test_a_key_with_another_request_is_refused_by_name_before_the_gate(api):
    product = queued_product()
    ticket = admitted(api, product)
    key = {"Idempotency-Key": "k" * 20}
    hold_with(api, product, ticket, headers=key)

    problem_of(hold_with(api, product, None, headers=key, quantity=2), 422, "idempotency_key_reused")


def test_keys_are_rotated_while_tickets_wait(api, settings):
    product = queued_product()
    [former] = settings.QUEUE_KEYS
    old = join(api, product).json()["ticket"]

    settings.QUEUE_KEYS = [KEY, former]
    new = join(api, product).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)

    assert hold_with(api, product, old).status_code == 201
    assert hold_with(api, product, new).status_code == 201
    settings.QUEUE_KEYS = [former]
    assert problem_of(join(api, product, new), 409, "ticket_invalid")


def test_a_former_secret_key_still_opens_tickets():
    assert secret_keys.of_queues("new" * 20, "old" * 20)[1:] == secret_keys.of_queues("old" * 20)


def test_the_ticket_of_a_customer_is_good_for_that_customer_alone(api):
    product, token = queued_product(), bearer(make_token())
    url = f"/api/v1/products/{product.pk}/queue"
    phone, laptop = (api.post(url, {"customer_id": "ann"}, headers=token).json()["ticket"] for _ in range(2))
    start_sale(product)
    serve_up_to(product, 1.0)

    assert join(api, product, phone).json()["place"] == join(api, product, laptop).json()["place"]
    for customer in ({}, {"customer_id": "bob"}):
        problem_of(hold_with(api, product, phone, **customer), 409, "ticket_invalid")
    assert hold_with(api, product, phone, customer_id="ann").status_code == 201
    problem_of(hold_with(api, product, laptop, customer_id="ann"), 409, "ticket_used")


def test_the_longest_customer_id_fits_into_a_ticket(api):
    product, customer = queued_product(), "\N{MUSICAL SYMBOL G CLEF}" * 64
    members, token = {"customer_id": customer}, bearer(make_token())
    ticket = api.post(f"/api/v1/products/{product.pk}/queue", members, headers=token).json()["ticket"]

    assert tickets.verified(ticket, product_id=product.pk).customer_id == customer


def test_without_a_token_a_customer_id_counts_for_nothing(api):
    product = queued_product()
    first, second = (join(api, product, customer_id="ann").json()["ticket"] for _ in range(2))
    start_sale(product)
    serve_up_to(product, 1.0)

    assert join(api, product, first).json()["place"] != join(api, product, second).json()["place"]
    assert hold_with(api, product, first, customer_id="bob").status_code == 201


def test_late_tickets_stand_in_the_order_of_their_time(api):
    product = queued_product()
    start_sale(product)
    Queue.objects.filter(pk=product.pk).update(drawn_at=timezone.now() - timedelta(minutes=1))
    minted = [ticket_minted(product, seconds_ago=seconds) for seconds in (0.002, 30, 10)]

    places = [join(api, product, ticket).json()["place"] for ticket in minted]

    assert places[1] < places[2] < places[0] < join(api, product).json()["place"]


def test_a_ticket_that_was_served_stays_served_however_the_pace_changes(api, settings):
    product = queued_product(stock=1_000)
    ticket = admitted(api, product)

    for columns in ({"paused_at": timezone.now()}, {"paused_at": None, "admission_rate_max": 1}):
        type(product).objects.filter(pk=product.pk).update(**columns)
        serve_up_to(product, 1.0)
    served_for(product, seconds=settings.ADMISSION_SECONDS - 5)

    assert hold_with(api, product, ticket).status_code == 201
