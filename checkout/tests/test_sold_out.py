"""Refusals from the snapshot: cheap, right as of the last commit, and never the reason for a grant."""

from datetime import timedelta

import pytest
import redis
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import products, snapshot_refresh, snapshots
from catalog.models import Product, Stock
from catalog.snapshots import answers, changes, stored
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, sold_out
from checkout.models import Hold
from flashsale.core import redis_client
from flashsale.tests.support.racing import at_once, times

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch):
    """What is remembered and kept lasts a minute: on a busy machine a second is soon over."""
    monkeypatch.setattr(answers, "MAX_AGE_MS", 60_000)
    monkeypatch.setattr(sold_out, "REMEMBERED_SECONDS", 60.0)
    sold_out.shortages.clear()


@pytest.fixture
def gone():
    """A product without free units, of which this process has refused a claim."""
    product = ProductFactory(stock=3)
    holds.place(product_id=product.pk, quantity=3)
    sold_out.record_shortage(product.pk)
    return product


def ask(api, product, *, key: str = "", quantity: int = 1, **body) -> tuple[str, int]:
    """Ask for units; return what came of it and how many queries that took."""
    headers = {"Idempotency-Key": key} if key else {}
    with CaptureQueriesContext(connection) as queries:
        answer = api.post(
            "/api/v1/holds", {"product_id": product.pk, "quantity": quantity} | body, headers=headers
        ).json()
    return answer.get("code", "held"), len(queries)


def test_while_units_are_short_refusals_cost_no_query(api, gone):
    assert ask(api, gone) == ("insufficient_stock", 0)
    assert ask(api, gone, customer_id="ann") == ("insufficient_stock", 0)


def test_the_first_refusal_of_a_process_makes_the_snapshot(api):
    product = ProductFactory(stock=0)

    codes = [ask(api, product) for _ in range(3)]

    assert codes[0][1] > 0
    assert codes[1:] == [("insufficient_stock", 0)] * 2


def test_the_refusal_is_the_same_as_the_databases(api, gone):
    body = {"product_id": gone.pk, "quantity": 1}

    from_snapshot = api.post("/api/v1/holds", body).json()
    sold_out.shortages.clear()
    from_database = api.post("/api/v1/holds", body).json()

    assert from_snapshot | {"request_id": ""} == from_database | {"request_id": ""}


def test_units_that_come_back_can_be_had_at_once(api, gone):
    assert ask(api, gone)[0] == "insufficient_stock"

    holds.release(Hold.objects.get().pk)

    assert ask(api, gone, quantity=3)[0] == "held"


def test_a_request_with_a_key_is_looked_up_before_it_is_refused(api):
    product = ProductFactory(stock=2)
    assert ask(api, product, key=KEY, quantity=2)[0] == "held"
    sold_out.record_shortage(product.pk)

    assert ask(api, product, key=KEY, quantity=2)[0] == "held"
    assert ask(api, product, key=KEY, quantity=1)[0] == "idempotency_key_reused"
    assert ask(api, product, key=KEY + "another") == ("insufficient_stock", 1)
    assert Hold.objects.count() == 1


@pytest.mark.parametrize(
    ("columns", "body", "code"),
    [
        ({"max_per_customer": 1}, {"customer_id": "ann", "quantity": 2}, "limit_exceeded"),
        ({"max_per_customer": 1}, {"customer_id": "ann"}, "insufficient_stock"),
        ({"max_per_customer": 1}, {}, "invalid"),
        ({}, {"quantity": 11}, "limit_exceeded"),
        ({"paused_at": timezone.now()}, {}, "sale_paused"),
        ({"sale_ends_at": timezone.now() - timedelta(seconds=1)}, {}, "sale_ended"),
        ({"is_published": False}, {}, "not_found"),
    ],
)
def test_what_is_no_lack_of_units_is_left_to_the_database(api, gone, columns, body, code):
    Product.objects.update(**columns)
    snapshots.invalidate(gone.pk)
    snapshot_refresh.refresh_product(gone.pk)

    found, queries = ask(api, gone, **body)

    assert found == code
    assert queries > 0


def test_o5_a_snapshot_never_grants(api, gone):
    lie = Stock(product_id=gone.pk, total=3, reserved=0, version=99)
    snapshots.write_through(lie)

    assert ask(api, gone)[0] == "insufficient_stock"
    assert audit.find_drift() == []


def test_after_a_lost_write_a_refusal_is_wrong_for_a_second_at_most(api, gone, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(changes, "_write_through", lambda _: None)
        holds.release(Hold.objects.get().pk)
    wrongly = ask(api, gone)
    client, key = redis_client.client(), stored._keys(gone.pk)[0]
    life_ms = client.pttl(key)
    client.delete(key)

    assert wrongly == ("insufficient_stock", 0)
    assert 0 < life_ms <= answers.MAX_AGE_MS
    assert ask(api, gone)[0] == "held"


def test_without_redis_the_database_refuses_and_grants(api, gone, dead_redis):
    assert ask(api, gone)[0] == "insufficient_stock"
    holds.release(Hold.objects.get().pk)
    assert ask(api, gone)[0] == "held"


def test_an_emptied_or_restarted_redis_changes_no_answer(api, gone):
    redis_client.client().flushdb()
    assert ask(api, gone)[0] == "insufficient_stock"

    redis_client.client().hset(
        stored._keys(gone.pk)[0], mapping={"answer": "{", "total": 1, "free": 0, "tracks_stock": 1}
    )
    assert ask(api, gone)[0] == "insufficient_stock"
    assert audit.find_drift() == []


def test_a_redis_that_was_emptied_while_it_wrote_is_written_again(api, gone):
    client = redis.Redis.from_url(configured.REDIS_URL)
    client.script_flush()
    client.flushdb()

    holds.release(Hold.objects.get().pk)

    assert ask(api, gone)[0] == "held"
    client.close()


def test_a_crowd_of_requests_sells_a_product_exactly(api, settings):
    settings.MAX_CONCURRENT_HOLDS = 40
    product = ProductFactory(stock=7)

    def buy() -> str:
        return ask(api, product)[0]

    found = at_once(*times(40, buy))

    assert sorted(found) == ["held"] * 7 + ["insufficient_stock"] * 33
    assert audit.find_drift() == []


def test_a_paused_sale_says_so_at_once(api, gone):
    products.pause(gone.pk)

    assert ask(api, gone)[0] == "sale_paused"
