"""A reader of the feed misses nothing and gets nothing twice, whatever commits late and however many number."""

import itertools
import threading

import pytest
from django.db import connection

from flashsale.core import clock
from flashsale.core.statements import Statement, send
from flashsale.outbox import feed, numbering, recording, resources, retention
from flashsale.outbox.feed import CursorExpired
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import Event, Numbering, RecordedEvent
from flashsale.tests.support.processes import WAIT_SECONDS
from flashsale.tests.support.racing import Meeting, at_once, counts, other_connection, without_advisory_locks

pytestmark = pytest.mark.django_db(transaction=True)


def ids_in(events):
    return [event["data"]["order_id"] for event in events]


@pytest.fixture
def slow_writer():
    """A connection in whose open transaction an event is stored."""
    with other_connection() as slow:
        slow.execute(
            "INSERT INTO outbox_recordedevent (type, resource, resource_id, members, snapshot)"
            " VALUES ('order.placed', 'order', 'slow', '{}', '{}')"
        )
        yield slow


def test_an_event_that_commits_late_with_a_lower_id_is_read_once(slow_writer, place, read):
    [quick] = place()
    first, page = read()
    slow_writer.commit()
    second, _ = read(after=page.next)

    assert [event["data"] for event in second] == [{"id": "slow"}]
    assert ids_in(first) == [quick]
    assert second[0]["sequence"] > first[0]["sequence"]


def test_by_the_ids_of_the_rows_a_reader_would_miss_an_event(slow_writer, place):
    """The control: the numbers are given after the commit for a reason."""
    place()
    newest = RecordedEvent.objects.latest("id").pk
    slow_writer.commit()

    assert RecordedEvent.objects.get(resource_id="slow").pk < newest


def test_an_open_transaction_delays_no_event(place, read):
    with other_connection() as unrelated:
        unrelated.execute("CREATE TEMPORARY TABLE busy AS SELECT pg_current_xact_id()")
        placed = place(3)

        assert ids_in(read()[0]) == placed


@pytest.fixture
def race(monkeypatch, slow_writer, place):
    """Returns a function that races two numberers, each of one event: a lower one is committed in between."""
    place()
    numbering.number(limit=1)
    place()
    meeting, is_taken, store = Meeting(2), threading.Event(), numbering._store

    def store_together(events):
        is_taken.set()
        meeting.wait()
        store(events)

    def number_later():
        is_taken.wait(WAIT_SECONDS)
        slow_writer.commit()
        return numbering.number(limit=1)

    def run():
        monkeypatch.setattr(numbering, "_store", store_together)
        return at_once(lambda: numbering.number(limit=1), number_later)

    return run


def test_two_numberers_number_one_after_the_other(race):
    assert race() == [1, 1]
    assert list(Event.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3]


def test_without_the_lock_two_numberers_give_the_same_number(monkeypatch, race):
    without_advisory_locks(monkeypatch)

    assert counts(race()) == {"int": 1, "IntegrityError": 1}


def test_a_reader_that_pages_sees_every_event_of_racing_writers_once(place, read):
    seen, cursor = [], 0

    def page_through():
        nonlocal cursor
        while len(seen) < 24:
            events, page = read(after=cursor, limit=5)
            seen.extend(ids_in(events))
            cursor = page.next

    *placed, _ = at_once(*[lambda: place(4)] * 6, page_through)

    assert sorted(seen) == sorted(itertools.chain.from_iterable(placed))


def test_after_a_promotion_the_numbers_jump_and_old_cursors_lose_nothing(place, read):
    place(2)
    _, before = read()
    Numbering.objects.update(cluster="another server 00000001 1")

    [placed] = place()
    events, page = read(after=before.next)

    assert ids_in(events) == [placed]
    assert page.next == before.next + numbering.JUMP + 1
    # A reader that had seen more than the promoted server has.
    assert ids_in(read(after=before.next + 7)[0]) == [placed]


@pytest.mark.parametrize("ahead", [1, 10**15])
def test_a_cursor_that_is_newer_than_the_newest_event_is_refused(place, read, ahead):
    place(2)

    with pytest.raises(CursorExpired) as refused:
        read(after=2 + ahead)

    assert refused.value.extra == {"oldest": 0, "newest": 2}


def test_old_events_are_purged_from_the_oldest_on(place, read):
    place(3)
    read()
    Event.objects.filter(sequence__in=[1, 3]).update(recorded_at=clock.now() - retention.timedelta(days=31))

    assert retention.purge_events() == 1
    assert [event["sequence"] for event in read()[0]] == [2, 3]
    assert [event["sequence"] for event in read(after=1)[0]] == [2, 3]
    with pytest.raises(CursorExpired) as refused:
        read(after=0)
    assert refused.value.extra == {"oldest": 1, "newest": 3}


def test_a_purge_in_the_middle_of_a_read_is_told_and_skips_nothing(monkeypatch, place, read):
    place(3)
    _, page = read()
    Event.objects.filter(sequence__lt=page.next).update(recorded_at=clock.now() - retention.timedelta(days=31))
    fetch = feed.fetch

    def purged_before_the_page(state, *others):
        first = fetch(state)
        at_once(retention.purge_events)
        return (*first, *fetch(*others))

    monkeypatch.setattr(feed, "fetch", purged_before_the_page)

    with pytest.raises(CursorExpired) as refused:
        read(after=1)
    assert refused.value.extra == {"oldest": page.next - 1, "newest": page.next}


def test_events_that_are_not_numbered_yet_are_not_purged(place):
    place()
    RecordedEvent.objects.update(recorded_at=clock.now() - retention.timedelta(days=31))

    assert retention.purge_events() == 0
    assert RecordedEvent.objects.count() == 1


def test_a_feed_of_some_types_goes_on_behind_the_others(place, read):
    place(5)
    send([recording._insertion(EventType.ORDER_PAID, "order", place(), {})])

    events, page = read(types=["order.paid", "order.expired"])

    assert [event["type"] for event in events] == ["order.paid"]
    assert (page.next, page.has_more) == (7, False)


@pytest.mark.parametrize("types", [(), ("order.placed",), ("order.placed", "order.paid")])
def test_pages_follow_each_other_to_the_end(place, read, types):
    placed, found, cursor, has_more = place(5), [], None, True

    while has_more:
        events, page = read(after=cursor, types=types, limit=2)
        found, cursor, has_more = found + ids_in(events), page.next, page.has_more

    assert found == placed


def test_an_event_that_cannot_be_shown_does_not_stop_the_feed(monkeypatch, place, read):
    [broken] = place()
    monkeypatch.setitem(resources._registered, "order", resources.Resource("order", None, lambda _: 1 / 0))
    read()
    monkeypatch.undo()
    [placed] = place()

    events, _ = read()

    assert events[0]["data"] == {"id": broken, "previous_status": None}
    assert ids_in(events[1:]) == [placed]


def test_a_read_that_cannot_number_all_says_that_there_is_more(monkeypatch, place, read):
    placed = place(feed.NUMBERED_BATCHES + 1)
    monkeypatch.setattr(numbering, "BATCH_EVENTS", 1)

    first, page = read()
    second, last = read(after=page.next)

    assert (page.has_more, last.has_more) == (True, False)
    assert ids_in(first + second) == placed


@pytest.mark.parametrize(
    ("selection", "index"),
    [
        (Statement(numbering._TAKE, [1000]), "outbox_recordedevent_pkey"),
        (feed._selection(25_000, [], 100), "outbox_event_pkey"),
        (feed._selection(25_000, ["order.paid", "order.cancelled"], 100), "outbox_event_by_type"),
    ],
)
def test_a_long_feed_is_read_by_its_indexes(place, selection, index):
    place(2)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox_event (type, resource, resource_id, sequence, body, public_id, recorded_at)"
            " SELECT CASE WHEN n %% 1000 = 0 THEN 'order.paid' ELSE 'order.placed' END, 'order', n, n, '{}',"
            " gen_random_uuid(), now() FROM generate_series(1, 50000) AS n",
            [],
        )
        cursor.execute(
            "INSERT INTO outbox_recordedevent (type, resource, resource_id, members, snapshot)"
            " SELECT 'order.placed', 'order', n, '{}', '{}' FROM generate_series(1, 10000) AS n"
        )
        cursor.execute("ANALYZE outbox_event, outbox_recordedevent")
        cursor.execute(f"EXPLAIN {selection.sql}", selection.params)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert index in plan
    assert "Seq Scan on outbox_event" not in plan
