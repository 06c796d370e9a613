"""Failed log-ins, counted by user name and by where they came from together, so that strangers cannot lock staff out.

An attempt is counted before its password is looked at, in one statement: of any number of parallel guesses at most
`LOGIN_MAX_FAILURES` are ever compared. A successful log-in deletes its row, `purge` the rows whose time is over.
"""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from flashsale.core import clock, events
from flashsale.core.transactions import retrying_transaction
from flashsale.models import LoginFailure

PURGE_BATCH_ROWS = 5_000

_failed = events.SampledEvent("login_failed")

# What is counted while a name is locked does not prolong the lock.
_COUNT = """
    INSERT INTO flashsale_loginfailure AS known (name, source, failures, last_at)
    VALUES (%(name)s, %(source)s, 1, clock_timestamp())
    ON CONFLICT (name, source) DO UPDATE SET
        failures = CASE WHEN known.last_at < excluded.last_at - %(locked)s THEN 1 ELSE known.failures + 1 END,
        last_at = CASE
            WHEN known.failures >= %(limit)s AND known.last_at >= excluded.last_at - %(locked)s THEN known.last_at
            ELSE excluded.last_at
        END
    RETURNING failures, extract(epoch FROM last_at + %(locked)s - clock_timestamp())
"""


class NameLocked(Exception):
    """Too many wrong passwords for this name from this source; the password was not looked at, or was the last one."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("Too many wrong passwords.")
        self.retry_after_seconds = retry_after_seconds


@contextlib.contextmanager
def counted(*, name: str, source: str) -> Iterator[None]:
    """Count an attempt, let the caller look at the password, and forget the failures when it was right.

    A `ValidationError` from inside means that it was wrong; the one that reaches the limit becomes `NameLocked`. After
    any other error the password was not looked at, and the attempt does not count. Raises `NameLocked` at once where
    the limit was reached before.
    """
    failures, locked_seconds = _count(name, source)
    if failures > settings.LOGIN_MAX_FAILURES:
        raise NameLocked(locked_seconds)
    this = LoginFailure.objects.filter(name=name, source=source)
    try:
        yield
    except ValidationError as error:
        _failed.record(source=source)
        if failures == settings.LOGIN_MAX_FAILURES:
            raise NameLocked(locked_seconds) from error
        raise
    except Exception:
        with contextlib.suppress(DatabaseError):
            this.filter(failures__gt=0).update(failures=F("failures") - 1)
        raise
    this.delete()


def _count(name: str, source: str) -> tuple[int, float]:
    """Return how many failures there are, this one included, and how many seconds a lock would last from now on."""
    parameters = {"name": name, "source": source, "limit": settings.LOGIN_MAX_FAILURES, "locked": _locked_for()}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)
        failures, locked_seconds = cursor.fetchone()
    return failures, float(locked_seconds)


def is_locked(failure: LoginFailure) -> bool:
    """Say whether log-ins with this name from this source are refused now."""
    return failure.failures >= settings.LOGIN_MAX_FAILURES and failure.last_at >= timezone.now() - _locked_for()


def unlock(*, name: str | None = None, source: str | None = None) -> int:
    """Forget the failures of a name, from a source, or of everything; return how many rows that were."""
    wanted = {"name": name, "source": source}
    given = {field: value for field, value in wanted.items() if value is not None}
    return LoginFailure.objects.filter(**given).delete()[0]


@retrying_transaction
def purge(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` rows that lock nothing any more; return how many."""
    old = LoginFailure.objects.filter(last_at__lt=clock.now() - _locked_for()).order_by("last_at")
    deleted, _ = LoginFailure.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()
    return deleted


def _locked_for() -> timedelta:
    return timedelta(minutes=settings.LOGIN_LOCKOUT_MINUTES)
