"""The beat's scheduler: django-celery-beat's, with retries while the database is down."""

import logging
import sys
import time
from typing import Any

from django.db import Error, close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler

from flashsale.core import outages
from flashsale.core.connections.database_timeouts import TimeoutsMissing

RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class RetryingScheduler(DatabaseScheduler):
    """Retries reading its schedule until the database answers; the base class would end the beat."""

    def all_as_schedule(self) -> dict[str, Any]:
        """Return the enabled entries by name, retrying without a limit.

        Ends the beat when its database connections have no timeouts.
        """
        while True:
            try:
                return super().all_as_schedule()
            except TimeoutsMissing as error:
                sys.exit(f"celery: {error}")
            except Error as error:
                logger.warning(
                    "the beat cannot read its schedule and tries again: %s", outages.sentence_of(error) or error
                )
                close_old_connections()
                time.sleep(RETRY_SECONDS)
