"""Queues over HTTP: the page, tickets, and the gate before holds."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from checkout.models import Hold
from checkout.tests.factories import let_hold_pass
from checkout.tests.support.queues import (
    HOUR,
    change,
    hold_with,
    join,
    let_queue_pass,
    queue_of,
    queued_product,
    serve_up_to,
    served_for,
    start_sale,
    ticket_minted,
)
from checkout.waiting_room import tickets
from checkout.waiting_room.joining import Joined
from checkout.waiting_room.serializers import JoinedOut
from flashsale.core.rest.views import render_json
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.times import moment

pytestmark = pytest.mark.django_db


def test_a_ticket_has_no_place_before_the_draw_and_one_that_can_be_checked_after_it(api):
    product = queued_product()
    before, ticket = queue_of(api, product), join(api, product).json()["ticket"]

    assert (before["state"], before["serving"], before["seed"]) == ("open", 0.0, None)
    assert len(before["seed_hash"]) == 64
    assert join(api, product, ticket).json()["place"] is None

    start_sale(product)

    after, place = queue_of(api, product), join(api, product, ticket).json()["place"]
    assert hashlib.sha256(after["seed"].encode()).hexdigest() == before["seed_hash"] == after["seed_hash"]
    digest = hmac.new(after["seed"].encode(), ticket.split(".")[2].encode(), hashlib.sha256).hexdigest()
    assert place == int(digest[:13], 16) / 2**52
    assert 0 <= place < 1


def test_an_admitted_ticket_places_one_hold(api):
    product = queued_product(stock=10)
    ticket = join(api, product).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)

    hold = hold_with(api, product, ticket)

    assert hold.status_code == 201
    assert problem_of(hold_with(api, product, ticket), 409, "ticket_used")
    assert api.delete(hold.headers["Location"]).status_code == 204
    assert hold_with(api, product, ticket).status_code == 201
    let_hold_pass(Hold.objects.get(status="active"))
    again = hold_with(api, product, ticket)
    assert again.status_code == 201
    assert api.post("/api/v1/orders", {"hold_id": again.json()["hold_id"]}).status_code == 201
    assert problem_of(hold_with(api, product, ticket), 409, "ticket_used")


def test_a_ticket_that_is_not_served_yet_is_told_when(api):
    product = queued_product()
    tickets = [join(api, product).json()["ticket"] for _ in range(3)]
    start_sale(product)
    places = {ticket: join(api, product, ticket).json()["place"] for ticket in tickets}
    first, second, _ = sorted(tickets, key=places.__getitem__)
    serve_up_to(product, places[first])

    refused = problem_of(hold_with(api, product, second), 409, "not_admitted")

    assert (refused["place"], refused["serving"]) == (places[second], places[first])
    assert refused["retry_in_seconds"] >= 1
    assert hold_with(api, product, first).status_code == 201


def test_without_a_valid_ticket_there_is_no_hold(api):
    product, other = queued_product(), queued_product()
    ticket, foreign = join(api, product).json()["ticket"], join(api, other).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)
    version, number, identifier, minted, customer, signature = ticket.split(".")
    altered = [
        ".".join([version, number, "0" * 32, minted, customer, signature]),
        ".".join([version, number, identifier, "1", customer, signature]),
        ".".join([version, number, identifier, minted, "eHg", signature]),
        ".".join([version, number, identifier, minted, customer, "A" * 43]),
        f"{ticket}A", ticket[:-1], "x", "q1......", "\x00", "é" * 50, "q1." * 300,
    ]  # fmt: skip

    for text in [None, foreign, *altered]:
        assert problem_of(hold_with(api, product, text), 409, "ticket_invalid"), text
    assert not Hold.objects.exists()


def test_an_admission_ends_and_a_new_ticket_is_at_the_end(api, settings):
    product = queued_product()
    ticket = join(api, product).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)
    served_for(product, seconds=settings.ADMISSION_SECONDS + 1)

    problem_of(hold_with(api, product, ticket), 409, "admission_expired")

    assert join(api, product).json()["place"] >= 1.0


def test_before_the_opening_a_client_is_told_when_to_come(api):
    product = queued_product(opened_before=HOUR / 2)

    refused = join(api, product)

    problem = problem_of(refused, 409, "sale_not_started")
    assert abs(int(refused.headers["Retry-After"]) - HOUR.total_seconds() / 2) <= 5
    assert moment(problem["queue_opens_at"]) == product.queue_opens_at
    assert moment(problem["sale_starts_at"]) == product.sale_starts_at
    page = queue_of(api, product)
    assert (page["state"], page["seed_hash"], page["seed"]) == ("not_open", None, None)


def test_after_the_sale_there_is_nothing_to_join(api):
    product = queued_product()
    start_sale(product)
    change(product, sale_ends_at=timezone.now())

    problem = problem_of(join(api, product), 409, "sale_ended")

    assert problem["sale_ends_at"]
    assert queue_of(api, product)["state"] == "ended"


def test_the_sale_window_is_told_before_the_ticket(api):
    product = queued_product()

    assert problem_of(hold_with(api, product, None), 409, "sale_not_started")
    assert problem_of(hold_with(api, product, "x"), 409, "sale_not_started")


def test_a_used_idempotency_key_is_answered_before_the_gate(api, settings):
    product = queued_product()
    ticket = join(api, product).json()["ticket"]
    start_sale(product)
    serve_up_to(product, 1.0)
    key = {"Idempotency-Key": "k" * 20}
    hold = hold_with(api, product, ticket, headers=key)
    served_for(product, seconds=settings.ADMISSION_SECONDS + 1)

    again = hold_with(api, product, ticket, headers=key)
    without = hold_with(api, product, None, headers=key)

    assert (again.status_code, without.status_code) == (201, 201)
    assert again.json()["hold_id"] == without.json()["hold_id"] == hold.json()["hold_id"]


def test_a_queue_goes_through_its_crowd_and_then_through_late_comers(api):
    product = queued_product(stock=1_000)
    early = [ticket_minted(product, seconds_ago=60) for _ in range(5)]
    start_sale(product)
    let_queue_pass(product, seconds=20)
    late = ticket_minted(product, seconds_ago=10)

    assert 1.0 <= join(api, product, late).json()["place"] < 20.0
    let_queue_pass(product, seconds=10)
    let_queue_pass(product, seconds=10)
    for ticket in [*early, late]:
        assert hold_with(api, product, ticket).status_code == 201


def test_a_product_without_a_queue_has_no_page_of_one(api, product):
    assert problem_of(api.get(f"/api/v1/products/{product.pk}/queue"), 404, "not_found")
    assert problem_of(join(api, product), 404, "not_found")
    assert hold_with(api, product, "x").status_code == 201


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
@pytest.mark.parametrize("place", [None, 0.0, 5e-324, 1e-7, 0.1 + 0.2, 1.0, 1234567.000001, 1e16])
@pytest.mark.parametrize("microsecond", [0, 1, 120_000])
def test_a_ticket_is_rendered_as_every_other_answer(settings, zone, place, microsecond):
    settings.TIME_ZONE = zone
    minted_at = datetime(2026, 11, 20, 12, 30, microsecond=microsecond, tzinfo=UTC)
    customers = tickets.signed(tickets.mint(product_id=7, customer_id='é"\\', is_drawn=False, now=minted_at))
    joined = Joined(customers, place, minted_at)

    assert JoinedOut.bytes_of(joined) == render_json(JoinedOut.data_of(joined))
