"""Copies of snapshots in one process, kept up to date by the pushes of a real Valkey.

`another_process` commits as another process does: PostgreSQL and Valkey change, and this process's copies do not.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import availability, products, snapshot_refresh, snapshots
from catalog.models import Product, Stock
from catalog.snapshots import answers, changes, local, pushes, stored
from catalog.snapshots.local import copies
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, sold_out
from checkout.models import Hold
from flashsale.core import metrics, redis_client
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def copying(monkeypatch):
    """This process keeps copies. Answers last a minute: on a busy machine a second is soon over."""
    monkeypatch.setattr(answers, "MAX_AGE_MS", 60_000)
    monkeypatch.setattr(availability, "LOOKAHEAD", timedelta(minutes=1))
    monkeypatch.setattr(local, "LIVE_SECONDS", 60.0)
    stored._breaker.reset()
    sold_out.shortages.clear()
    snapshots.subscription.enable()


@pytest.fixture
def kept(copying):
    """A product with 10 units whose answer this process has copied."""
    product = ProductFactory()
    wait_until(lambda: read(product) and copies.get(product.pk))
    wait_for_pushes(product)
    wait_until(lambda: read(product) and copies.get(product.pk))
    return product


def wait_for_pushes(product) -> None:
    """Return when all pushes until now have arrived: a late one would delete the copy at any moment."""
    marker = product.pk + 1_000_000
    copies._newest.pop(marker, None)
    redis_client.client().publish(stored._channel(), f"{marker} 1 1 1")
    wait_until(lambda: marker in copies._newest)


def wait_a_second() -> None:
    started = time.monotonic()
    wait_until(lambda: time.monotonic() > started + 1)


def read(product) -> dict:
    return snapshot_refresh.read_product(product.pk).members


def asked(api, product) -> tuple[int, int]:
    """Return the available units that the API shows, and how often it asked Valkey or PostgreSQL."""
    before = lookups()
    with CaptureQueriesContext(connection) as queries:
        body = api.get(f"/api/v1/products/{product.pk}").json()
    return body["available_stock"], lookups() - before + len(queries)


def lookups() -> float:
    """Return how many reads asked Valkey, with or without success."""
    return sum(metrics.SNAPSHOT_READS.labels(result)._value.get() for result in ("hit", "miss"))


@contextlib.contextmanager
def another_process() -> Iterator[None]:
    """Commit as another process: without the direct way from a commit to this process's copies."""
    with mock.patch.multiple(changes, _write_through=stored.write_through, _delete=stored.delete):
        yield


def test_a_read_of_a_copy_asks_neither_valkey_nor_postgresql(api, kept):
    assert [asked(api, kept) for _ in range(3)] == [(10, 0)] * 3


def test_control_without_a_subscription_each_read_asks_valkey(api, kept):
    snapshots.subscription.reset()

    assert [asked(api, kept) for _ in range(3)] == [(10, 1)] * 3


def test_a_commit_of_another_process_arrives_by_push(api, kept):
    with another_process():
        holds.place(product_id=kept.pk, quantity=3)

    before = lookups()
    wait_until(lambda: copies.get(kept.pk).members["available_stock"] == 7)
    assert lookups() == before
    assert asked(api, kept) == (7, 0)


def test_a_commit_of_this_process_is_in_the_copy_before_it_is_answered(api, kept, monkeypatch):
    monkeypatch.setattr(stored, "write_through", lambda _: None)

    placed = api.post("/api/v1/holds", {"product_id": kept.pk, "quantity": 3})

    assert placed.status_code == 201
    assert asked(api, kept) == (7, 0)


def test_an_older_look_up_on_its_way_does_not_replace_a_commit(api, kept):
    """The copy is gone, and Valkey was asked before the commit: its answer arrives afterwards."""
    copies.invalidate(kept.pk)
    look_up = stored.read

    def slow_look_up(product_id: int):
        found = look_up(product_id)
        holds.place(product_id=product_id, quantity=3)
        return found

    with mock.patch.object(stored, "read", slow_look_up):
        assert snapshots.look_up(kept.pk) is None
    assert asked(api, kept)[0] == 7


def test_reordered_pushes_leave_the_newest(api, kept):
    client, channel = redis_client.client(), stored._channel()

    client.publish(channel, f"{kept.pk} 9 10 4")
    client.publish(channel, f"{kept.pk} 8 10 6")
    client.publish(channel, f"{kept.pk + 1} 1 10 1")

    wait_until(lambda: kept.pk + 1 in copies._newest)
    assert asked(api, kept) == (4, 0)


def test_a_change_by_staff_elsewhere_arrives_by_push(api, kept):
    with another_process():
        products.pause(kept.pk)

    wait_until(lambda: copies.get(kept.pk) is None)
    assert read(kept)["sale_status"] == "paused"
    assert copies.get(kept.pk).members["sale_status"] == "paused"


def test_an_answer_read_before_a_change_by_staff_is_stored_nowhere(api, kept):
    started = snapshots.start_read()
    [forecast] = availability.read_forecasts(Product.objects.filter(pk=kept.pk))
    stale = answers.Snapshot.of(forecast, read(kept), read_started=started.at)
    products.pause(kept.pk)

    snapshots.store(kept.pk, stale, started=started)

    assert stored.read(kept.pk) is None
    assert copies.get(kept.pk) is None


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_withdrawn_product_is_not_found(api, kept, elsewhere):
    with another_process() if elsewhere else contextlib.nullcontext():
        products.withdraw(kept.pk)

    wait_until(lambda: copies.get(kept.pk) is None)
    assert api.get(f"/api/v1/products/{kept.pk}").status_code == 404


@pytest.mark.parametrize("what", ["a deadline", "the start of the sale", "the end of the sale"])
def test_an_answer_that_the_clock_changes_is_not_kept(api, kept, what):
    soon = timezone.now() + timedelta(seconds=54)
    if what == "a deadline":
        hold = holds.place(product_id=kept.pk, quantity=1)
        Hold.objects.filter(pk=hold.pk).update(expires_at=soon)
    else:
        Product.objects.update(**{"sale_starts_at" if "start" in what else "sale_ends_at": soon})
    snapshots.invalidate(kept.pk)

    for _ in range(2):
        read(kept)

    assert copies.get(kept.pk) is None


def test_a_push_never_extends_the_life_of_a_copy(kept):
    expires_at = copies.get(kept.pk).expires_at

    with another_process():
        holds.place(product_id=kept.pk, quantity=3)

    wait_until(lambda: copies.get(kept.pk).version > 0)
    assert copies.get(kept.pk).expires_at == expires_at


def test_a_copy_from_valkey_ends_no_later_than_the_copy_of_the_read_itself(kept):
    redis_client.client().delete(*stored._keys(kept.pk))
    copies.begin()
    read(kept)
    from_postgresql = copies.get(kept.pk)
    copies.begin()

    read(kept)

    assert from_postgresql is not copies.get(kept.pk) is not None
    assert copies.get(kept.pk).expires_at <= from_postgresql.expires_at


def test_a_lost_push_costs_a_second_at_most(kept, monkeypatch):
    """The copy ends one second after its read from PostgreSQL began, even while pushes arrive."""
    monkeypatch.setattr(answers, "MAX_AGE_MS", 1_000)
    snapshots.invalidate(kept.pk)
    redis_client.client().delete(*stored._keys(kept.pk))
    wait_for_pushes(kept)
    read_started = time.monotonic()
    read(kept)
    monkeypatch.setattr(stored, "_WRITE_THROUGH", "return 1")
    with another_process():
        holds.place(product_id=kept.pk, quantity=3)
    copy = copies._kept.get(kept.pk)

    shown = read(kept)["available_stock"]

    assert copy is not None
    assert copy.members["available_stock"] == 10
    assert read_started <= copy.expires_at - 1 <= time.monotonic()
    wait_until(lambda: read(kept)["available_stock"] == 7)
    assert shown in (10, 7)


def test_control_without_an_end_a_copy_shows_a_lost_push_for_ever(kept, monkeypatch):
    monkeypatch.setattr(stored, "_WRITE_THROUGH", "return 1")

    with another_process():
        holds.place(product_id=kept.pk, quantity=3)

    wait_a_second()
    assert read(kept)["available_stock"] == 10


@pytest.fixture
def blocked(monkeypatch) -> Iterator[threading.Event]:
    """The subscriber's thread stops at each push until this event is set."""
    is_released = threading.Event()
    apply = pushes.Subscription._apply
    monkeypatch.setattr(
        pushes.Subscription, "_apply", lambda self, text: is_released.wait(WAIT_SECONDS) and apply(self, text)
    )
    yield is_released
    is_released.set()


def test_control_a_blocked_subscriber_that_counts_as_live_shows_old_answers(kept, blocked):
    with another_process():
        holds.place(product_id=kept.pk, quantity=3)

    wait_a_second()
    assert read(kept)["available_stock"] == 10


def test_a_blocked_subscriber_is_noticed(kept, blocked, monkeypatch):
    """Its thread applies nothing; the answered PINGs that wait behind a push do not make the subscription live."""
    monkeypatch.setattr(local, "LIVE_SECONDS", 1.0)
    copies.confirm(sent_at=time.monotonic())
    wait_until(lambda: read(kept) and copies.get(kept.pk))

    with another_process():
        holds.place(product_id=kept.pk, quantity=3)
    wait_until(lambda: copies.get(kept.pk) is None, what="the subscription is no longer live")
    asks_valkey = read(kept)["available_stock"]
    blocked.set()

    assert asks_valkey == 7
    wait_until(lambda: read(kept) and copies.get(kept.pk), what="the subscription is live again")
    assert copies.get(kept.pk).members["available_stock"] == 7


def test_a_lost_connection_ends_all_copies_until_there_is_another_one(api, kept):
    client = redis_client.client()
    was = copies.get(kept.pk)

    client.client_kill_filter(_type="pubsub")
    wait_until(lambda: copies.get(kept.pk) is not was)

    wait_until(lambda: read(kept) and copies.get(kept.pk))
    assert copies.get(kept.pk) is not was
    assert asked(api, kept) == (10, 0)


def test_old_data_in_a_restarted_valkey_is_not_used(api, kept):
    """Valkey comes back with the answer and the version that it had before the last commit."""
    keys, client = stored._keys(kept.pk), redis_client.client()
    old_answer, old_version = client.dump(keys[0]), client.dump(keys[1])
    holds.place(product_id=kept.pk, quantity=3)
    client.client_kill_filter(_type="pubsub")
    client.flushdb()
    client.restore(keys[0], 60_000, old_answer)
    client.restore(keys[1], 60_000, old_version)
    copies.end()

    assert stored.read(kept.pk).members["available_stock"] == 10
    assert snapshots.look_up(kept.pk) is None
    assert asked(api, kept)[0] == 7
    assert stored.read(kept.pk).members["available_stock"] == 7


def test_a_killed_valkey_leaves_postgresql(api, kept, dead_redis):
    snapshots.subscription.reset()
    snapshots.subscription.enable()

    assert [asked(api, kept)[0] for _ in range(2)] == [10, 10]
    holds.place(product_id=kept.pk, quantity=3)
    assert asked(api, kept)[0] == 7
    assert copies.get(kept.pk) is None


def test_a_refusal_from_a_copy_asks_neither_valkey_nor_postgresql(api, kept):
    holds.place(product_id=kept.pk, quantity=9)
    before = lookups()

    with CaptureQueriesContext(connection) as queries:
        refused = api.post("/api/v1/holds", {"product_id": kept.pk, "quantity": 2}).json()

    assert (refused["code"], refused["available"]) == ("insufficient_stock", 1)
    assert (len(queries), lookups() - before) == (0, 0)


def test_units_that_come_back_elsewhere_can_be_had(api, kept):
    hold = holds.place(product_id=kept.pk, quantity=10)
    assert api.post("/api/v1/holds", {"product_id": kept.pk, "quantity": 1}).status_code == 409

    with another_process():
        holds.release(hold.pk)

    wait_until(lambda: copies.get(kept.pk).members["available_stock"] == 10)
    assert api.post("/api/v1/holds", {"product_id": kept.pk, "quantity": 10}).status_code == 201


def test_a_copy_never_grants(api, kept):
    holds.place(product_id=kept.pk, quantity=10)
    copies.write_through(kept.pk, version=99, total=10, free=10)

    refused = api.post("/api/v1/holds", {"product_id": kept.pk, "quantity": 1})

    assert copies.get(kept.pk).members["available_stock"] == 10
    assert refused.json()["code"] == "insufficient_stock"
    assert audit.find_drift() == []


def test_a_write_that_valkey_lost_is_pushed_with_the_next_answer(kept, monkeypatch):
    with monkeypatch.context() as patch, another_process():
        patch.setattr(stored, "write_through", lambda _: None)
        holds.place(product_id=kept.pk, quantity=3)

    with another_process(), mock.patch.object(copies, "accept"):
        snapshot_refresh.refresh_product(kept.pk)

    wait_until(lambda: copies.get(kept.pk).members["available_stock"] == 7)


def test_an_unused_subscription_ends_and_the_next_read_starts_it_again(kept, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pushes, "IDLE_SECONDS", -1)
        wait_until(lambda: snapshots.subscription._thread is None)
        ended = copies.get(kept.pk)

    wait_until(lambda: read(kept) and copies.get(kept.pk))
    assert ended is None


def test_a_child_process_has_no_copies_and_no_thread(kept):
    pid = os.fork()
    if not pid:
        is_new = copies.get(kept.pk) is None and snapshots.subscription._thread is None
        os._exit(0 if is_new and snapshots.subscription._is_enabled else 1)

    assert os.waitpid(pid, 0)[1] == 0
    assert copies.get(kept.pk) is not None


def test_a_process_that_is_no_web_process_keeps_no_copies(api, kept):
    snapshots.subscription.reset()

    for _ in range(2):
        read(kept)

    assert snapshots.subscription._thread is None
    assert copies._kept == {}


def test_a_write_through_of_a_version_that_valkey_knows_is_not_pushed(kept):
    stock = Stock(product_id=kept.pk, total=10, reserved=3, version=5)
    with redis_client.client().pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(stored._channel())
        listener.get_message(timeout=WAIT_SECONDS)
        for _ in range(2):
            stored.write_through(stock)
        stored.delete(kept.pk)

        pushed = [listener.get_message(timeout=WAIT_SECONDS)["data"] for _ in range(2)]

    assert pushed == [f"{kept.pk} 5 10 7", str(kept.pk)]
