"""The beat's scheduler: django-celery-beat's, which waits for a database that is gone."""

import logging
import sys
import time
from typing import Any

from django.db import Error, close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler

from flashsale.core.configuration.database_timeouts import TimeoutsMissing

RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class WaitingScheduler(DatabaseScheduler):
    """Reads its schedule again until the database answers, where the original would end the beat."""

    def all_as_schedule(self) -> dict[str, Any]:
        """Return the enabled entries by name, however long that takes; without them there is nothing to send.

        Ends the beat when its database connections have no time-outs.
        """
        while True:
            try:
                return super().all_as_schedule()
            except TimeoutsMissing as error:
                sys.exit(f"celery: {error}")
            except Error as error:
                logger.warning("the beat waits for the database: %s", error)
                close_old_connections()
                time.sleep(RETRY_SECONDS)
