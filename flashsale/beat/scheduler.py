"""The beat's scheduler: django-celery-beat's, which sends only while it holds the lease."""

import logging
import sys
import time
from typing import Any

from django.db import Error, close_old_connections, connection
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from flashsale.beat import standing_by
from flashsale.beat.lease import Lease
from flashsale.core import outages
from flashsale.core.connections.database_timeouts import TimeoutsMissing

RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class LeasedScheduler(DatabaseScheduler):
    """Sends while it holds the lease, each due time of an entry once; waits while its database does not answer.

    The base class sends from each process, stores every three minutes what ran, and ends when it cannot read its
    schedule.
    """

    # Of this process: whether one of its schedulers is reading the schedule.
    _is_reading = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lease = Lease()
        self._is_leader = False
        # Whether the schedule was read since the lease was taken, and every claim since then succeeded.
        self._is_schedule_current = False
        self._is_database_silent = False
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, if this beat holds the lease. Returns the seconds until the next call."""
        if not self._leads():
            standing_by.send(sender=self)
            return min(RETRY_SECONDS, self.max_interval)
        delay: float = super().tick(*args, **kwargs)
        return delay

    def apply_entry(self, entry: ModelEntry, producer: Any = None) -> None:
        """Send the entry's task, if its due time can be claimed."""
        try:
            is_claimed = self._lease.claim(entry.model.pk, run_at=entry.model.last_run_at)
        except Error as error:
            self._note_silence(error)
            is_claimed = False
        if is_claimed:
            super().apply_entry(entry, producer=producer)
        else:
            # `reserve` has counted a run that does not happen.
            self._is_schedule_current = False

    def reserve(self, entry: ModelEntry) -> ModelEntry:
        """Return the entry for its next run; the claim stores this one.

        The base class keeps the old entry in the schedule, which would be due again when the heap is built from it.
        """
        following: ModelEntry = next(entry)
        self._schedule[entry.name] = following
        return following

    def sync(self) -> None:
        """Store nothing: claims did."""

    def close(self) -> None:
        """Release the lease and the broker's connection."""
        self._lease.release()
        super().close()

    def all_as_schedule(self) -> dict[str, Any]:
        """Return the enabled entries by name, retrying without a limit.

        Ends the beat when its database connections have no timeouts.
        """
        if LeasedScheduler._is_reading:
            # Celery's handler of SIGTERM closes the scheduler, and makes one for that while the first is being made.
            sys.exit()
        LeasedScheduler._is_reading = True
        try:
            return self._read_until_it_answers()
        finally:
            LeasedScheduler._is_reading = False

    def _read_until_it_answers(self) -> dict[str, Any]:
        while True:
            try:
                return super().all_as_schedule()
            except TimeoutsMissing as error:
                sys.exit(f"celery: {error}")
            except Error as error:
                logger.warning("the beat cannot read its schedule and tries again: %s", _words_of(error))
                connection.close()
                standing_by.send(sender=self)
                time.sleep(RETRY_SECONDS)

    def _leads(self) -> bool:
        """Hold the lease, and read the schedule again where it was not held before."""
        try:
            close_old_connections()
            holds = self._lease.hold()
        except Error as error:
            self._note_silence(error)
            return False
        self._is_database_silent = False
        if holds != self._is_leader:
            logger.info("this beat sends from now on" if holds else "another beat sends from now on")
        if holds and not (self._is_leader and self._is_schedule_current):
            self._initial_read, self._heap = True, None
        self._is_leader = self._is_schedule_current = holds
        return holds

    def _note_silence(self, error: Error) -> None:
        """Log the first error of an outage, and connect again for the next statement."""
        if not self._is_database_silent:
            logger.warning("the beat cannot reach its lease and sends nothing until it can: %s", _words_of(error))
        self._is_database_silent = True
        self._is_schedule_current = False
        connection.close()


def _words_of(error: Error) -> str:
    return outages.sentence_of(error) or str(error)
