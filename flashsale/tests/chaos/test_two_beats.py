"""Two beats run, and one dies, hangs or loses its database: each due time of an entry is sent once."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from flashsale.core import clock
from flashsale.models import BeatLease
from flashsale.tests.chaos.proxy import Refuse
from flashsale.tests.chaos.shop import CELERY, ProxiedShop, open_shop, valkey_socket
from flashsale.tests.support.processes import start, stop, wait_until

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
# Read by no worker: it keeps everything that is sent.
QUEUE = "two_beats"


@dataclass
class Beats:
    """Two beats, and what they send."""

    shop: ProxiedShop
    valkey: redis.Redis

    def sent(self, entry: str) -> list[int]:
        """Return the process id of each sending of an entry, the oldest first."""
        headers = [json.loads(message)["headers"] for message in self.valkey.lrange(QUEUE, 0, -1)]
        origins = [found["origin"] for found in reversed(headers) if found["periodic_task_name"] == entry]
        return [int(origin.partition("@")[0].removeprefix("gen")) for origin in origins]

    def wait_for_sendings(self, *, of: int | None = None) -> int:
        """Wait until an entry that is due each second was sent twice more; return its last sender."""
        before = len(self.sent("often"))

        def is_sent() -> bool:
            senders = self.sent("often")[before:]
            return len([sender for sender in senders if of in (None, sender)]) > 1

        wait_until(is_sent, what=f"tasks are sent; see {self.shop.log()[-3000:]}")
        return self.sent("often")[-1]

    def leader_and_other(self) -> tuple[int, int]:
        """Return the process ids of the beat that sends and of the other one, which stands by."""
        leader = self.wait_for_sendings()
        [other] = {process.pid for process in self.shop.processes("beat")} - {leader}
        wait_until(lambda: self.shop.handles_sigterm("beat"), what="the other one works, too")
        return leader, other


@pytest.fixture
def beats(tmp_path) -> Iterator[Beats]:
    """Two beats; an entry of theirs is due each second, another one when a test says so."""
    with contextlib.closing(redis.Redis(unix_socket_path=str(valkey_socket()), db=1)) as valkey:
        valkey.delete(QUEUE)
        with open_shop(tmp_path) as shop:
            add_entry("often", every=1, period="seconds")
            add_entry("daily", every=1, period="days", last_run_at=clock.now())
            shop.start("beat", "beat")
            yield Beats(shop, valkey)
        valkey.delete(QUEUE)


def add_entry(name: str, *, every: int, period: str, **facts: object) -> None:
    """Add an entry to the schedule."""
    interval = IntervalSchedule.objects.create(every=every, period=period)
    PeriodicTask.objects.create(name=name, task="flashsale.tasks.purge_logins", queue=QUEUE, interval=interval, **facts)


def make_daily_due() -> None:
    """Let the entry that runs once a day be due now."""
    PeriodicTask.objects.filter(name="daily").update(last_run_at=timezone.now() - timedelta(days=2))
    PeriodicTasks.update_changed()


def let_lease_pass() -> None:
    """Let the lease of a beat that does not renew it expire now."""
    BeatLease.objects.update(expires_at=clock.now())


def end_sessions() -> None:
    """Let PostgreSQL end the sessions of the beats, as a restart does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextlib.contextmanager
def read_only_database() -> Iterator[None]:
    """Let new sessions be read-only within the context, as on a server that has become a standby."""
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        yield
        cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def test_a_beat_that_hung_or_died_is_replaced_and_no_due_time_is_sent_twice(beats):
    first, second = beats.leader_and_other()

    os.kill(first, signal.SIGSTOP)
    let_lease_pass()
    make_daily_due()
    wait_until(lambda: beats.sent("daily"), what="the second beat sends")
    os.kill(first, signal.SIGCONT)
    wait_until(lambda: "another beat sends from now on" in beats.shop.log(), what="the first sees that it was replaced")
    sent_by_first = beats.sent("often").count(first)

    assert beats.wait_for_sendings() == second
    assert beats.sent("often").count(first) == sent_by_first
    assert beats.shop.ended() == []
    os.kill(second, signal.SIGKILL)
    let_lease_pass()
    beats.wait_for_sendings(of=first)
    assert beats.sent("daily") == [second]


def test_beats_outlive_a_database_that_restarts_or_is_read_only(beats):
    beats.leader_and_other()

    with beats.shop.database.doing(Refuse()):
        end_sessions()
        wait_until(lambda: beats.shop.log().count("cannot reach its lease") == 2, what="both notice")
    beats.wait_for_sendings()
    with read_only_database():
        end_sessions()
        wait_until(lambda: beats.shop.log().count("in a read-only transaction") == 2, what="both notice")
    make_daily_due()
    end_sessions()

    beats.wait_for_sendings()
    assert len(beats.sent("daily")) == 1
    assert beats.shop.ended() == []
    assert beats.shop.stop("beat") == [0, 0]
    # Released: another beat need not wait for its end.
    assert not BeatLease.objects.filter(expires_at__gt=clock.now()).exists()


def test_two_beats_without_a_lease_send_everything_twice(beats):
    """The control: django-celery-beat's own scheduler."""
    beats.shop.stop("beat")
    beats.valkey.delete(QUEUE)
    scheduler = f"{DatabaseScheduler.__module__}:{DatabaseScheduler.__name__}"
    argv = [*CELERY, "beat", "-S", scheduler]

    unleased = [start(*argv, environment=beats.shop.environment_of("beat")) for _ in range(2)]
    try:
        wait_until(lambda: len(set(beats.sent("often"))) == 2, what="both have read the schedule")
        make_daily_due()
        # One of them may even send it twice.
        wait_until(lambda: len(set(beats.sent("daily"))) == 2, what="both send")
    finally:
        stop(*unleased)
