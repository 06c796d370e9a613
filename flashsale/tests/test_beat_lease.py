"""The beat's lease: one holder by the database's clock, and a sending claimed in the statement that renews it."""

from datetime import timedelta

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from flashsale.beat import lease as leases
from flashsale.beat import scheduler, standing_by
from flashsale.beat.lease import Lease
from flashsale.celery import app as celery
from flashsale.core import clock
from flashsale.models import BeatLease
from flashsale.tests.support.processes import wait_until
from flashsale.tests.support.racing import at_once, blocked
from flashsale.tests.support.web import database_url


@pytest.fixture
def entry(db):
    """An entry of the schedule that never ran."""
    interval = IntervalSchedule.objects.create(every=1, period="days")
    return PeriodicTask.objects.create(name="daily", task="flashsale.tasks.purge_logins", interval=interval)


def let_lease_pass() -> None:
    """Let the lease expire a moment ago."""
    BeatLease.objects.update(expires_at=clock.now() - timedelta(seconds=0.001))


def claim(lease: Lease, entry: PeriodicTask) -> bool:
    """Claim a run of the entry now."""
    return lease.claim(entry.pk, run_at=timezone.now())


def test_one_beat_holds_the_lease_until_it_passes(db):
    first, second = Lease(), Lease()

    assert [first.hold(), second.hold(), first.hold()] == [True, False, True]
    let_lease_pass()
    assert [second.hold(), second.hold()] == [True, True]


def test_a_dead_beat_is_replaced_within_30_seconds(db):
    Lease().hold()

    lasts = BeatLease.objects.get().expires_at - clock.now()

    assert timedelta(0) < lasts <= timedelta(seconds=leases.LEASE_SECONDS)
    assert leases.LEASE_SECONDS + scheduler.RETRY_SECONDS < 30
    # A leader that sends nothing renews it in time, even when one try fails.
    assert 3 * leases.RENEW_SECONDS < leases.LEASE_SECONDS


def test_a_claim_renews_the_lease_and_stores_the_run(entry):
    lease = Lease()
    lease.hold()
    let_lease_pass()

    assert claim(lease, entry)

    entry.refresh_from_db()
    assert (entry.total_run_count, entry.last_run_at is None) == (1, False)
    assert BeatLease.objects.filter(expires_at__gt=F("sent_at")).exists()
    assert not Lease().hold()


def test_a_beat_that_was_replaced_claims_nothing(entry):
    stopped, other = Lease(), Lease()
    stopped.hold()
    let_lease_pass()
    other.hold()

    assert not claim(stopped, entry)

    entry.refresh_from_db()
    assert (entry.total_run_count, entry.last_run_at) == (0, None)
    assert [stopped.hold(), other.hold()] == [False, True]


def test_an_entry_that_was_deleted_is_not_claimed(entry):
    lease = Lease()
    lease.hold()
    PeriodicTask.objects.all().delete()

    assert not claim(lease, entry)
    assert lease.hold()


@pytest.mark.django_db(transaction=True)
def test_a_released_lease_is_taken_at_once_and_only_its_holder_releases_it():
    first, second = Lease(), Lease()
    first.hold()

    second.release()
    assert not second.hold()

    first.release()
    assert second.hold()
    first.release()
    assert not first.hold()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("passed", [False, True])
def test_of_several_beats_one_takes_the_lease(passed):
    if passed:
        Lease().hold()
        let_lease_pass()

    assert sorted(at_once(*(Lease().hold for _ in range(4)))) == [False, False, False, True]


@pytest.mark.django_db(transaction=True)
def test_a_take_over_waits_for_a_claim_and_then_takes_nothing(entry):
    """Otherwise the new beat could read a schedule in which the claimed run is missing, and send it again."""
    claiming, taking = Lease(), Lease()
    claiming.hold()
    let_lease_pass()

    with psycopg.connect(database_url()) as slow:
        slow.execute(leases._CLAIM, claiming._values | {"entry": entry.pk, "run_at": timezone.now()})

        def commit_when_blocked() -> None:
            wait_until(blocked, what="the other beat waits")
            slow.commit()

        assert at_once(commit_when_blocked, taking.hold) == [None, False]


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_ran_is_not_due_again_when_the_heap_is_built_again(entry):
    beat = scheduler.LeasedScheduler(celery, lazy=True)
    [due] = [found for found in beat.schedule.values() if found.name == entry.name]
    due.last_run_at -= timedelta(days=2)
    assert beat.is_due(due).is_due

    beat.reserve(due)
    beat.populate_heap()

    [kept] = [event.entry for event in beat._heap]
    assert not beat.is_due(kept).is_due


@pytest.mark.django_db(transaction=True)
def test_a_beat_that_stands_by_says_so_and_sends_nothing(entry):
    """Hence the health check of its container sees it alive."""
    Lease().hold()
    said = []

    def note(**_: object) -> None:
        said.append(True)

    beat = scheduler.LeasedScheduler(celery, lazy=True)
    standing_by.connect(note)
    try:
        assert beat.tick() == scheduler.RETRY_SECONDS
    finally:
        standing_by.disconnect(note)

    entry.refresh_from_db()
    assert (said, entry.total_run_count) == ([True], 0)


def test_a_beat_that_never_read_its_schedule_can_be_stopped(monkeypatch):
    def unreachable(beat) -> dict:
        raise OperationalError("connection refused")

    def told_to_stop(seconds: float) -> None:
        # What Celery's handler of SIGTERM does while the first scheduler is being made.
        scheduler.LeasedScheduler(celery)

    monkeypatch.setattr(scheduler.DatabaseScheduler, "all_as_schedule", unreachable)
    monkeypatch.setattr(scheduler.time, "sleep", told_to_stop)

    with pytest.raises(SystemExit):
        scheduler.LeasedScheduler(celery)

    assert not scheduler.LeasedScheduler._is_reading


def test_there_is_one_lease(db):
    Lease().hold()

    with pytest.raises(IntegrityError, match="beat_lease_is_one_row"), transaction.atomic():
        BeatLease.objects.update(id=2)
