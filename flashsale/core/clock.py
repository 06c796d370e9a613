"""The database's clock, the only one that judges deadlines."""

from datetime import datetime

from django.db import connection
from django.db.models import DateTimeField, Func

from flashsale.core import greenlets
from flashsale.core.statements import Query, Statement


class ClockTimestamp(Func):
    """`clock_timestamp()`: the time at which the row is produced, not the start of the statement or transaction.

    It is volatile, so PostgreSQL never uses it as an index condition: compare deadlines with a value read by `now()`
    after the lock, or with `django.db.models.functions.Now` in reads that hold no lock.

    Source: https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT
    """

    function = "CLOCK_TIMESTAMP"
    output_field = DateTimeField()


@greenlets.offloaded
def now() -> datetime:
    """Return the database's present time, aware, in UTC. Call it after taking the lock that the decision needs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def query() -> Query[datetime]:
    """Read the time as `now` does. Fetch it after the queries that lock, with them."""
    return Query([Statement("SELECT clock_timestamp() AS now")], lambda results: results[0][0]["now"])
