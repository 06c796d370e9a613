"""Failed log-ins, counted by user name and source (address or browser): a name is locked for one source only.

An attempt is counted in one statement before its password is compared: of any number of parallel guesses at most
`LOGIN_MAX_FAILURES` are compared. A successful log-in deletes its row, `purge` the rows whose lock is over.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

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

# An attempt while the name is locked does not prolong the lock.
_COUNT = """
    INSERT INTO flashsale_loginfailure AS stored (name, source, failures, last_at)
    VALUES (%(name)s, %(source)s, 1, clock_timestamp())
    ON CONFLICT (name, source) DO UPDATE SET
        failures = CASE WHEN stored.last_at < excluded.last_at - %(lockout)s THEN 1 ELSE stored.failures + 1 END,
        last_at = CASE
            WHEN stored.failures >= %(limit)s AND stored.last_at >= excluded.last_at - %(lockout)s THEN stored.last_at
            ELSE excluded.last_at
        END
    RETURNING failures, extract(epoch FROM last_at + %(lockout)s - clock_timestamp())
"""


class NameLocked(Exception):
    """Too many wrong passwords for this name from this source. A password was compared only at the last failure."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("Too many wrong passwords.")
        self.retry_after_seconds = retry_after_seconds


@contextlib.contextmanager
def counted_attempt(*, name: str, source: str) -> Iterator[None]:
    """Count an attempt, let the caller compare the password, and delete the failures when it was right.

    A `ValidationError` from the block means a wrong password; at the limit it becomes `NameLocked`. After any other
    error the password was not compared, and the attempt does not count. Raises `NameLocked` at once where the limit
    was reached before.
    """
    failures, locked_seconds = _count(name, source)
    if failures > settings.LOGIN_MAX_FAILURES:
        raise NameLocked(locked_seconds)
    row = LoginFailure.objects.filter(name=name, source=source)
    try:
        yield
    except ValidationError as error:
        _failed.record(source=source)
        if failures == settings.LOGIN_MAX_FAILURES:
            raise NameLocked(locked_seconds) from error
        raise
    except Exception:
        with contextlib.suppress(DatabaseError):
            row.filter(failures__gt=0).update(failures=F("failures") - 1)
        raise
    row.delete()


def _count(name: str, source: str) -> tuple[int, float]:
    """Return the failures, this attempt included, and the seconds that a lock would last from now on."""
    parameters = {"name": name, "source": source, "limit": settings.LOGIN_MAX_FAILURES, "lockout": _lockout()}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)
        failures, locked_seconds = cursor.fetchone()
    return failures, float(locked_seconds)


def is_locked(failure: LoginFailure) -> bool:
    """Say whether log-ins with this name from this source are refused now."""
    return failure.failures >= settings.LOGIN_MAX_FAILURES and lock_ends_at(failure) >= timezone.now()


def lock_ends_at(failure: LoginFailure) -> datetime:
    """Return when the failures are forgotten, and with them a lock."""
    return failure.last_at + _lockout()


def unlock(*, name: str | None = None, source: str | None = None) -> int:
    """Delete the failures of a name, from a source, or all of them; return how many rows that were."""
    columns = {"name": name, "source": source}
    conditions = {column: value for column, value in columns.items() if value is not None}
    return LoginFailure.objects.filter(**conditions).delete()[0]


@retrying_transaction
def purge(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` rows whose lock is over; return how many."""
    old = LoginFailure.objects.filter(last_at__lt=clock.now() - _lockout()).order_by("last_at")
    deleted, _ = LoginFailure.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()
    return deleted


def _lockout() -> timedelta:
    return timedelta(minutes=settings.LOGIN_LOCKOUT_MINUTES)
